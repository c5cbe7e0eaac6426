"""A gateway whose provider is another Headrace: what that says in place of an answer stays known
for one."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.batches import begin, client, jsonl, line, results, until
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

TEXT = "Please ask again in a minute."
LINES = 3


class Chain(NamedTuple):
    """`outer` asks `inner`, which asks the simulated provider and has a text."""

    outer: Gateway
    inner: Gateway
    sim: ThreadedSim


def before(url: str) -> dict[str, Any]:
    return {
        "dialect": "openai",
        "base_url": f"{url}/v1",
        "retry": {"tries_max": 1},
        "breaker": {"enabled": False},
    }


@pytest.fixture
def chain(tmp_path: Path, sim: ThreadedSim) -> Iterator[Chain]:
    with ExitStack() as stack:
        worded = {"m": {"targets": ["sim/m"], "fallback_text": TEXT}}
        settings = {"providers": {"sim": before(sim.url)}, "models": worded}
        inner = stack.enter_context(Gateway(tmp_path / "inner", settings))
        settings = {
            "providers": {"inner": before(inner.url)},
            "models": {"m": {"targets": ["inner/m"]}},
            "slos": [{"name": "up", "kind": "availability", "objective": 0.9}],
        }
        outer = stack.enter_context(Gateway(tmp_path / "outer", settings))
        yield Chain(outer, inner, sim)


def chats(gateway: Gateway) -> list[dict[str, Any]]:
    """What the log says of chats."""
    return [line for line in gateway.requests() if line["route"] == "chat"]


def test_it_is_told_counts_as_bad_and_is_not_stored(chain: Chain) -> None:
    chain.sim.script(Fault(kind=FaultKind.STATUS, times=None))
    document = OPENAI.document("m")
    for asked in (document, document, {**document, "stream": True}):
        answer = chain.outer.post(OPENAI.path, asked)
        assert (answer.status, answer.cache) == (200, "miss")
        assert answer.headers["x-headrace-fallback"] == "text"
        assert b"ask again" in answer.body
    told = eventually(lambda: found if len(found := chats(chain.outer)) >= 3 else None)
    assert [each["fallback"] for each in told] == ["passed"] * 3
    (level,) = chain.outer.get("/admin/slos").json()["data"]
    assert (level["answers"], level["bad"]) == (3, 3)
    chain.sim.script()
    for asked in (document, {**document, "stream": True}):
        answer = chain.outer.post(OPENAI.path, asked)
        assert "x-headrace-fallback" not in answer.headers
        assert b"ask again" not in answer.body


@pytest.mark.heavy
def test_no_line_of_a_batch_takes_it_for_an_answer(chain: Chain) -> None:
    # The first tries of all lines fail, and the gateway behind gives its text for each.
    chain.sim.script(Fault(kind=FaultKind.STATUS, times=LINES))
    with client(chain.outer.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl(line(n) for n in range(LINES))))
        assert (batch.status, batch.request_counts.completed) == ("completed", LINES)
        found = results(sdk, batch.output_file_id)
    assert chain.inner.metrics()["headrace_fallback_texts_total"] == LINES
    said = [each["response"]["body"]["choices"][0]["message"]["content"] for each in found]
    assert len(said) == LINES
    assert TEXT not in said
