"""Spans of what no connection waits for: jobs and batches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.batches import begin as begin_batch
from tests.support.batches import client, jsonl, line, until
from tests.support.collector import CLIENT, CONSUMER, INTERNAL, SERVER, Collector, SpanTold
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
SECRET = "token-that-nobody-may-see"  # to be looked for
QUESTION = {"kind": "generate", "input": {"model": "m", "prompt": "Tell me of water."}}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def gateway(folder: Path, sim: ThreadedSim, collector: Collector, **telemetry: Any) -> Gateway:
    provider = {"dialect": "openai", "base_url": f"{sim.url}/v1", "retry": {"tries_max": 1}}
    wanted = {
        "traces": True,
        "sample": 0,
        "endpoint": collector.url,
        "headers": {"authorization": SECRET},
    }
    return Gateway(
        folder,
        {
            "providers": {"sim": provider},
            "models": {"m": {"targets": ["sim/m"]}},
            "jobs": {"poll_ms": 20, "lease_s": 30, "retry_s": 0.05, "grace_s": 0.5},
            "telemetry": {**wanted, **telemetry},
        },
    )


def of_kind(spans: list[SpanTold], kind: int) -> list[SpanTold]:
    """In the order in which they began."""
    return sorted((each for each in spans if each.kind == kind), key=lambda each: each.began_s)


def parents(spans: list[SpanTold]) -> list[str]:
    return [each.parent_id for each in spans]


def ids(spans: list[SpanTold]) -> list[str]:
    return [each.span_id for each in spans]


@pytest.mark.heavy
def test_each_try_of_a_job_is_a_span_in_the_trace_of_whoever_submitted_it(
    tmp_path: Path, sim: ThreadedSim, collector: Collector
) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, status=503))
    with gateway(tmp_path, sim, collector) as served:
        submitted = served.post("/v1/jobs", QUESTION, headers=SAMPLED)
        assert submitted.status == 202
        job = submitted.json()["id"]
        told = eventually(lambda: ended(served, job), 60.0)
        assert (told["state"], told["attempts"]) == ("succeeded", 2)
        # The tries are sent by the worker, which is another process.
        spans = list(collector.wait_for_spans(7))
    assert {each.trace_id for each in spans} == {TRACE}
    (taken,) = [each for each in spans if each.name == "POST /v1/jobs"]
    tries, calls = of_kind(spans, CONSUMER), of_kind(spans, CLIENT)
    asked = [each for each in of_kind(spans, SERVER) if each is not taken]
    assert (taken.parent_id, parents(tries)) == (CALLER, [taken.span_id] * 2)
    assert parents(asked) == ids(tries)
    assert parents(calls) == ids(asked)
    assert {each.name for each in tries} == {"job generate"}
    assert {each.name for each in asked} == {"chat m"}
    expected = {"headrace.job.id": job, "headrace.job.kind": "generate", "headrace.tenant": "open"}
    for each, attempt, outcome in zip(tries, (1, 2), ("later", "succeeded"), strict=True):
        told = each.attributes
        assert expected.keys() <= told.keys()
        assert told["headrace.job.id"] == job
        assert (told["headrace.job.attempt"], told["headrace.job.outcome"]) == (attempt, outcome)
    assert [each.is_error for each in tries] == [True, False]
    assert "gen_ai.operation.name" not in taken.attributes
    assert taken.attributes["http.response.status_code"] == 202
    assert len({each.instance for each in tries} | {taken.instance}) == 2
    assert {each["authorization"] for each in collector.headers} == {SECRET}
    assert SECRET not in served.log + served.stderr


def ended(served: Gateway, job: str) -> dict[str, Any] | None:
    told: dict[str, Any] = served.get(f"/v1/jobs/{job}").json()
    return told if told["ended_at"] else None


def test_a_job_that_is_not_recorded_tells_the_provider_so(
    tmp_path: Path, sim: ThreadedSim, collector: Collector
) -> None:
    unsampled = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
    with gateway(tmp_path, sim, collector, sample=1) as served:
        submitted = served.post("/v1/jobs", QUESTION, headers=unsampled)
        eventually(lambda: ended(served, submitted.json()["id"]), 60.0)
    seen = sim.stats().last_requests[-1].headers["traceparent"]
    assert seen.startswith(f"00-{TRACE}-")
    assert seen.endswith("-00")
    assert collector.spans == []


def test_a_run_of_a_batch_is_a_span_and_its_lines_are_linked_to_it(
    tmp_path: Path, sim: ThreadedSim, collector: Collector
) -> None:
    with gateway(tmp_path, sim, collector, sample=1) as served:
        sdk = client(served.url)
        lines = [*(line(number) for number in range(3)), line(3, url="/v1/nothing")]
        batch = begin_batch(sdk, jsonl(lines), extra_headers=SAMPLED)
        until(sdk, batch)
        spans = list(collector.wait_for_spans(8))
    (taken,) = [each for each in spans if each.name == "POST /v1/batches"]
    (run,) = of_kind(spans, CONSUMER)
    asked, calls = of_kind(spans, INTERNAL), of_kind(spans, CLIENT)
    assert (taken.trace_id, taken.parent_id) == (TRACE, CALLER)
    assert (run.trace_id, run.parent_id) == (TRACE, taken.span_id)
    assert run.name == "batch /v1/chat/completions"
    assert run.attributes["headrace.batch.id"] == batch
    assert run.attributes["headrace.batch.ending"] == "completed"
    told = [run.attributes[f"headrace.batch.{name}"] for name in ("lines", "answered", "failed")]
    assert told == [4, 3, 1]
    # A trace for each line, which is found by its link.
    assert len(asked) == len({each.trace_id for each in asked} - {TRACE}) == 3
    assert {each.links for each in asked} == {((TRACE, run.span_id),)}
    assert set(parents(calls)) == set(ids(asked))
    assert {each.name for each in asked} == {"chat m"}
    for each in asked:
        assert each.attributes["gen_ai.usage.output_tokens"] > 0
        assert each.attributes["headrace.cache"] == "miss"
        assert "headrace.stage.route_ms" in each.attributes
    seen = {each.headers["traceparent"].split("-")[2] for each in sim.stats().last_requests}
    assert seen == set(ids(calls))


@pytest.mark.heavy
def test_a_batch_is_linked_to_nothing_that_is_not_recorded(
    tmp_path: Path, sim: ThreadedSim, collector: Collector
) -> None:
    unsampled = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
    with gateway(tmp_path, sim, collector, sample=1) as served:
        sdk = client(served.url)
        until(sdk, begin_batch(sdk, jsonl([line(1)]), extra_headers=unsampled))
        (asked, call) = collector.wait_for_spans(2)
        served.stop()
    assert {each.kind for each in (asked, call)} == {INTERNAL, CLIENT}
    assert {each.links for each in (asked, call)} == {()}
    assert len(collector.spans) == 2


@pytest.mark.heavy
def test_lines_of_batches_are_drawn_by_lot(
    tmp_path: Path, sim: ThreadedSim, collector: Collector
) -> None:
    with gateway(tmp_path, sim, collector) as served:
        sdk = client(served.url)
        until(sdk, begin_batch(sdk, jsonl(map(line, range(5))), extra_headers=SAMPLED))
        spans = list(collector.wait_for_spans(2))
        served.stop()
    assert len(collector.spans) == 2
    assert {each.kind for each in spans} == {SERVER, CONSUMER}
    seen = [each.headers["traceparent"] for each in sim.stats().last_requests]
    assert all(each.endswith("-00") for each in seen)
