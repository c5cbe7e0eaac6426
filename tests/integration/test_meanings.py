"""Answers by meaning, through a running gateway: found, told, judged, and never for strangers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, SPEECHES, Speech
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.support.wire import Response, ask, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

STORED = "How do I sort a list in Java?"
ALIKE = "In Java, how do I sort a list?"
OTHER = "How do I sort a list in Java 8?"


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as sim:
        yield sim


def settings(sim: ThreadedSim, *, semantic: dict[str, Any], **more: Any) -> dict[str, Any]:
    lanes = {
        speech.lane("sim"): {
            "dialect": speech.name,
            "base_url": sim.url + ("/v1" if speech.name == "openai" else ""),
        }
        for speech in SPEECHES
    }
    cache = more.pop("cache", {})
    meaning: dict[str, Any] = {
        "enabled": True,
        "embedder": "sim/sim-embed",
        "embed_timeout_ms": 5000,
    }
    meaning |= {"asks_dimensions": True, **semantic}  # the simulator's are longer by default
    return {"providers": lanes, "cache": {**cache, "semantic": meaning}, **more}


def asking(gateway: Gateway, text: str, speech: Speech = OPENAI, **fields: Any) -> Response:
    messages = [{"role": "user", "content": text}]
    headers = fields.pop("headers", {})
    model = speech.lane("sim") + "/sim-small"
    document = speech.document(model, messages=messages, **fields)
    return gateway.post(speech.path, document, headers=headers)


def semantic_told(gateway: Gateway) -> dict[str, Any]:
    answer = ask(gateway.url, encode_request("/admin/cache", method="GET"))
    told: dict[str, Any] = json.loads(answer.body)["semantic"]
    return told


def entered(gateway: Gateway, count: int = 1) -> None:
    """Answers become known by their meaning behind the callers' backs."""
    eventually(lambda: semantic_told(gateway)["entries"] >= count)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("speech", SPEECHES, ids=lambda speech: speech.name)
def test_the_same_in_other_words_is_answered_and_says_so(
    sim: ThreadedSim, tmp_path: Path, speech: Speech, stream: bool
) -> None:
    with Gateway(tmp_path, settings(sim, semantic={})) as gateway:
        first = asking(gateway, STORED, speech, stream=stream)
        assert first.cache == "miss"
        assert "x-headrace-similarity" not in first.headers
        entered(gateway)
        again = asking(gateway, ALIKE, speech, stream=stream)
        assert (again.cache, again.body) == ("semantic", first.body)
        assert float(again.headers["x-headrace-similarity"]) >= 0.92
        assert again.headers["x-headrace-cost-usd"] == "0"
        assert asking(gateway, ALIKE, speech, stream=not stream).cache == "semantic"
        metrics = gateway.metrics()
        assert metrics['headrace_saved_calls_total{by="semantic"}'] == 2
        assert metrics['headrace_semantic_lookups_total{outcome="hit"}'] == 2
        assert metrics['headrace_cache_calls_total{for="embed"}'] >= 1


def test_a_look_alike_is_asked(sim: ThreadedSim, tmp_path: Path) -> None:
    with Gateway(tmp_path, settings(sim, semantic={})) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        assert asking(gateway, OTHER).cache == "miss"
        assert semantic_told(gateway)["counts"]["objections"]["numbers"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.5},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"messages": [{"role": "user", "content": c} for c in ("Hello.", ALIKE)]},
        {
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": ALIKE},
            ]
        },
        {"seed": 7},
    ],
    ids=["temperature", "tools", "turns", "system prompt", "unknown field"],
)
def test_what_differs_in_anything_else_never_meets(
    sim: ThreadedSim, tmp_path: Path, fields: dict[str, Any]
) -> None:
    with Gateway(tmp_path, settings(sim, semantic={})) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        document = OPENAI.document("sim/sim-small", messages=[{"role": "user", "content": ALIKE}])
        assert gateway.post(OPENAI.path, {**document, **fields}).cache == "miss"
        assert gateway.post(OPENAI.path, document).cache == "semantic"


def test_callers_may_refuse_what_is_stored(sim: ThreadedSim, tmp_path: Path) -> None:
    with Gateway(tmp_path, settings(sim, semantic={})) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        no_cache = asking(gateway, ALIKE, headers={"cache-control": "no-cache"})
        assert no_cache.cache == "bypass"
    with Gateway(tmp_path / "b", settings(sim, semantic={})) as gateway:
        only = {"cache-control": "only-if-cached"}
        assert asking(gateway, ALIKE, headers=only).status == 504
        asking(gateway, STORED)
        entered(gateway)
        assert asking(gateway, ALIKE, headers=only).cache == "semantic"


def test_an_answer_too_old_for_one_is_still_found_by_others(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    with Gateway(tmp_path, settings(sim, semantic={})) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        assert asking(gateway, ALIKE, headers={"cache-control": "max-age=0"}).cache == "miss"
        entered(gateway, 2)


def test_a_purge_reaches_what_is_found_by_meaning(sim: ThreadedSim, tmp_path: Path) -> None:
    with Gateway(tmp_path, settings(sim, semantic={})) as gateway:
        asking(gateway, STORED, headers={"x-headrace-tags": "old"})
        entered(gateway)
        assert asking(gateway, ALIKE).cache == "semantic"
        ask(gateway.url, encode_request("/admin/cache?tag=old", method="DELETE"))
        assert asking(gateway, ALIKE).cache == "miss"
        assert semantic_told(gateway)["entries"] <= 1
        ask(gateway.url, encode_request("/admin/cache?all=true", method="DELETE"))
        assert asking(gateway, STORED).cache == "miss"


def test_an_embedder_that_fails_is_a_miss(sim: ThreadedSim, tmp_path: Path) -> None:
    with Gateway(tmp_path, settings(sim, semantic={})) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        sim.script(Fault(model="sim-embed", kind=FaultKind.STATUS, times=1))
        assert asking(gateway, ALIKE).cache == "miss"
        assert gateway.metrics()['headrace_semantic_lookups_total{outcome="fault"}'] == 1


def test_a_verifier_that_does_not_say_yes_is_a_miss(sim: ThreadedSim, tmp_path: Path) -> None:
    whole = settings(sim, semantic={"verifier": "sim/sim-small", "verify_timeout_ms": 5000})
    with Gateway(tmp_path, whole) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        assert asking(gateway, ALIKE).cache == "miss"
        assert semantic_told(gateway)["counts"]["verifier_refusals"] == 1
        assert gateway.metrics()['headrace_cache_calls_total{for="verify"}'] == 1


def test_in_the_shadow_nothing_is_answered_and_the_error_is_estimated(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    whole = settings(sim, semantic={"mode": "shadow", "judge": "embedder", "explore_share": 1.0})
    with Gateway(tmp_path, whole) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        assert asking(gateway, ALIKE).cache == "miss"
        eventually(lambda: semantic_told(gateway)["counts"]["labels"] == 1)
        told = semantic_told(gateway)
        assert told["counts"]["hits"] == 1
        assert told["counts"]["judged_hits"] == 1
        share = told["false_share"]
        assert share["sample"] == 1
        assert 0 <= share["low"] < share["high"] <= 1


def test_a_text_of_another_gateway_is_no_answer_to_judge_by(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    whole = settings(sim, semantic={"mode": "shadow", "judge": "embedder", "explore_share": 1.0})
    with Gateway(tmp_path, whole) as gateway:
        asking(gateway, STORED)
        entered(gateway)
        text = {"role": "assistant", "content": "Please ask again in a minute."}
        body = json.dumps({"choices": [{"index": 0, "message": text, "finish_reason": "stop"}]})
        passed = {"content-type": "application/json", "x-headrace-fallback": "text"}
        sim.script(
            Fault(kind=FaultKind.STATUS, status=200, headers=passed, body=body, path=OPENAI.path)
        )
        assert asking(gateway, ALIKE).headers["x-headrace-fallback"] == "text"
        assert asking(gateway, ALIKE).cache == "miss"
        eventually(lambda: semantic_told(gateway)["counts"]["labels"] >= 1)
        assert semantic_told(gateway)["counts"]["trials"] == 2
        assert semantic_told(gateway)["counts"]["labels"] == 1


def test_an_answer_that_memory_has_let_go_comes_from_below(
    sim: ThreadedSim, tmp_path: Path
) -> None:
    (tmp_path / "valkey").mkdir()
    with Valkey(tmp_path / "valkey") as valkey:
        cache = {"shared": valkey.url, "tier_timeout_ms": 2000, "entries_max": 1}
        with Gateway(tmp_path, settings(sim, semantic={}, cache=cache)) as gateway:
            first = asking(gateway, STORED)
            series = 'headrace_tier_writes_total{tier="l2",outcome="written"}'
            eventually(lambda: gateway.metrics().get(series, 0) >= 1)
            asking(gateway, "Why is the sky blue?")
            entered(gateway, 2)
            again = asking(gateway, ALIKE)
            assert (again.cache, again.body) == ("semantic", first.body)


def test_without_an_embedder_it_does_not_start(sim: ThreadedSim, tmp_path: Path) -> None:
    whole = settings(sim, semantic={"embedder": None})
    with pytest.raises(AssertionError, match="embedder is missing"):
        Gateway(tmp_path, whole)
