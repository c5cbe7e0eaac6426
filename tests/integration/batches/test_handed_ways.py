"""Lines handed over by other ways: in HTTP/2, as embeddings, with PostgreSQL behind the gateway."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.batches.conftest import Begin, settings
from tests.integration.batches.test_handed_batches import (
    AT_ONCE,
    HELD,
    LINES,
    all_of,
    assert_answered_once,
    lines,
    numbers,
    provider_batches,
    until_handed,
)
from tests.support.batches import begin, client, jsonl, results, until
from tests.support.h2_front import H2Front, h2_front
from tests.support.waiting import eventually

from headrace.sim.batch_api import BatchTerms
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

EMBEDDINGS = "/v1/embeddings"


@pytest.fixture
def front(sim: ThreadedSim) -> Iterator[H2Front]:
    with h2_front(sim.url) as front:
        yield front


def in_h2(front: H2Front, **handed: Any) -> dict[str, Any]:
    """Settings of a provider that is asked in HTTP/2."""
    provider = settings(front.url, Path(), None, {**AT_ONCE, **handed})["providers"]["sim"]
    return {"providers": {"sim": {**provider, "http": "2"}}}


def texts(count: int = LINES) -> bytes:
    return jsonl(
        {
            "custom_id": f"c{number}",
            "method": "POST",
            "url": EMBEDDINGS,
            "body": {"model": "m", "input": f"Water at mill number {number}"},
        }
        for number in range(count)
    )


def test_lines_are_handed_over_in_http2(
    begin_gateway: Begin, sim: ThreadedSim, front: H2Front
) -> None:
    gateway = begin_gateway(**in_h2(front))
    with client(gateway.url) as sdk:
        assert_answered_once(sdk, until(sdk, begin(sdk, lines())), sim)
    assert {"/v1/files", "/v1/batches"} <= set(front.paths)
    assert gateway.bugs() == []


def test_a_file_larger_than_a_window_of_http2_is_handed_over(
    begin_gateway: Begin, sim: ThreadedSim, front: H2Front
) -> None:
    gateway = begin_gateway(**in_h2(front))
    words = "water " * 400  # more than 64 KiB of them together
    asked = [{"role": "user", "content": f"{number} {words}"} for number in range(4 * LINES)]
    whole = jsonl(
        {
            "custom_id": f"c{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "max_tokens": 8, "messages": [each]},
        }
        for number, each in enumerate(asked)
    )
    with client(gateway.url) as sdk:
        assert_answered_once(sdk, until(sdk, begin(sdk, whole)), sim, 4 * LINES)


@pytest.mark.heavy
def test_a_provider_that_refuses_in_http2_is_tried_again(
    begin_gateway: Begin, sim: ThreadedSim, front: H2Front
) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, path="/v1/batches", status=503, times=2))
    gateway = begin_gateway(**in_h2(front, tries=5))
    with client(gateway.url) as sdk:
        assert_answered_once(sdk, until(sdk, begin(sdk, lines())), sim)


@pytest.mark.heavy
def test_a_gateway_that_is_killed_goes_on_with_the_batch_in_http2(
    begin_gateway: Begin, sim: ThreadedSim, front: H2Front
) -> None:
    sim.batch_by(HELD)
    first = begin_gateway(**in_h2(front))
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
    first.kill()
    sim.batch_by(BatchTerms())
    second = begin_gateway(**in_h2(front))
    with client(second.url) as sdk:
        assert_answered_once(sdk, until(sdk, batch_id), sim)


@pytest.mark.parametrize("http", ["1.1", "2"])
def test_embeddings_are_handed_over(
    begin_gateway: Begin, sim: ThreadedSim, front: H2Front, http: str
) -> None:
    more: dict[str, Any] = in_h2(front) if http == "2" else {"handed": AT_ONCE}
    gateway = begin_gateway(**more)
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, texts(), endpoint=EMBEDDINGS))
        assert (batch.status, batch.request_counts.completed) == ("completed", LINES)
        assert numbers(sdk, batch.output_file_id) == all_of(LINES)
        vectors = [
            each["response"]["body"]["data"][0]["embedding"]
            for each in results(sdk, batch.output_file_id)
        ]
        assert all(vectors)
        # What was answered there is stored, for whoever asks.
        again = {"model": "m", "input": "Water at mill number 0"}
        assert gateway.post(EMBEDDINGS, again).headers["x-headrace-cache"] == "l1"
    (handed,) = provider_batches(sim)
    assert (handed.endpoint, handed.request_counts.total) == (EMBEDDINGS, LINES)
    assert sum(sim.stats().requests.get(EMBEDDINGS, {}).values()) == 0
    assert gateway.bugs() == []


@pytest.mark.heavy
@pytest.mark.parametrize("is_killed", [True, False])
def test_with_postgresql_a_gateway_goes_on_with_what_was_handed_over(
    begin_gateway: Begin, sim: ThreadedSim, own_database: str, *, is_killed: bool
) -> None:
    sim.batch_by(HELD)
    stored: dict[str, Any] = {"handed": AT_ONCE, "store": {"url": own_database}}
    first = begin_gateway(**stored)
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
    if is_killed:
        first.kill()
    else:
        first.stop()
    second = begin_gateway(**stored)
    eventually(lambda: second.metrics()["headrace_batches_running"] == 1)
    sim.batch_by(BatchTerms())
    with client(second.url) as sdk:
        assert_answered_once(sdk, until(sdk, batch_id), sim)
    assert second.bugs() == []
