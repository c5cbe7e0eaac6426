"""Spans of an adapter's calls, in the trace of the program around it."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from tests.support.adapter import settings_for
from tests.support.collector import CLIENT, INTERNAL, Collector, SpanTold
from tests.support.house import free_port

from headrace import Adapter, SyncAdapter, UpstreamRefused
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

MODEL = "gpt-4o-mini"
_THREAD = "headrace-telemetry"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture
def sim() -> Iterator[ThreadedSim]:
    with running(SimOptions()) as server:
        yield server


def traced(sim: ThreadedSim, collector: Collector, **telemetry: Any) -> dict[str, Any]:
    wanted = {"traces": True, "sample": 1, "endpoint": collector.url, **telemetry}
    return {**settings_for(sim.url), "telemetry": wanted}


def one(spans: list[SpanTold], kind: int, error: str | None = None) -> SpanTold:
    (found,) = [
        each for each in spans if each.kind == kind and each.attributes.get("error.type") == error
    ]
    return found


def test_calls_are_spans_sent_at_the_end_at_the_latest(
    sim: ThreadedSim, collector: Collector
) -> None:
    async def main() -> None:
        async with Adapter(traced(sim, collector)) as adapter:
            await adapter.generate("Why?", model=MODEL, tenant="ours")
            await adapter.generate("Why?", model=MODEL, tenant="ours")
            _ = [event async for event in adapter.stream("How?", model=MODEL)]

    asyncio.run(main())
    spans = list(collector.spans)
    calls = [each for each in spans if each.kind == CLIENT]
    asked = [each for each in spans if each.kind == INTERNAL]
    assert (len(asked), len(calls)) == (3, 2)
    told = [
        (each.attributes["headrace.cache"], each.attributes["headrace.tenant"]) for each in asked
    ]
    assert told == [("miss", "ours"), ("l1", "ours"), ("miss", "default")]
    first, hit, stream = asked
    assert [each.parent_id for each in asked] == ["", "", ""]
    assert {each.parent_id for each in calls} == {first.span_id, stream.span_id}
    assert first.name == f"chat {MODEL}"
    assert first.attributes["gen_ai.usage.output_tokens"] > 0
    assert (hit.attributes["headrace.attempts"], hit.attributes["headrace.cost_usd"]) == (0, 0)
    assert stream.attributes["headrace.stream"] is True
    assert (first.events, stream.events) == ((), ("first_byte",))
    assert b"Why?" not in collector.raw
    assert _THREAD not in {thread.name for thread in threading.enumerate()}


def test_a_call_goes_on_with_the_trace_of_the_program(
    sim: ThreadedSim, collector: Collector
) -> None:
    tracer = TracerProvider().get_tracer("a program")

    async def main() -> None:
        async with Adapter(traced(sim, collector, sample=0)) as adapter:
            with tracer.start_as_current_span("work") as work:
                around.append(work.get_span_context())
                await adapter.generate("Why?", model=MODEL)
            await adapter.generate("Not recorded?", model=MODEL)

    around: list[Any] = []
    asyncio.run(main())
    with (
        SyncAdapter(traced(sim, collector, sample=0)) as adapter,
        tracer.start_as_current_span("work") as work,
    ):
        around.append(work.get_span_context())
        adapter.generate("Why not?", model=MODEL)
    spans = list(collector.spans)
    assert len(spans) == 4
    for context in around:
        trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        of_it = [each for each in spans if each.trace_id == trace_id]
        asked, call = one(of_it, INTERNAL), one(of_it, CLIENT)
        assert (asked.parent_id, call.parent_id) == (span_id, asked.span_id)


def test_what_fails_and_what_is_given_up_is_told(sim: ThreadedSim, collector: Collector) -> None:
    async def main() -> None:
        async with Adapter(traced(sim, collector)) as adapter:
            sim.script(Fault(kind=FaultKind.STATUS, status=400))
            with pytest.raises(UpstreamRefused):
                await adapter.generate("Why?", model=MODEL)
            sim.script(Fault(kind=FaultKind.STALL_MID, after_chunks=1))
            async with adapter.stream("How?", model=MODEL) as stream:
                await anext(stream)

    asyncio.run(main())
    spans = list(collector.spans)
    assert one(spans, INTERNAL, "400").is_error
    assert one(spans, CLIENT, "400").is_error
    assert one(spans, INTERNAL, "client_gone").events == ("first_byte",)
    assert one(spans, CLIENT, "cancelled").is_error


def test_nothing_runs_where_nothing_is_traced(sim: ThreadedSim) -> None:
    async def main() -> None:
        async with Adapter(settings_for(sim.url)) as adapter:
            await adapter.generate("Why?", model=MODEL)
            assert _THREAD not in {thread.name for thread in threading.enumerate()}

    asyncio.run(main())
    assert "traceparent" not in sim.stats().last_requests[-1].headers


def test_the_log_of_the_program_has_what_its_own_telemetry_says_and_ours_once(
    sim: ThreadedSim, caplog: pytest.LogCaptureFixture
) -> None:
    away = {"traces": True, "sample": 1, "flush_s": 0.5}
    away |= {"endpoint": f"http://127.0.0.1:{free_port()}"}
    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")

    async def main() -> None:
        async with Adapter({**settings_for(sim.url), "telemetry": away}) as adapter:
            await adapter.generate("Why?", model=MODEL)
            exporter.warning("an export of the program's own")

    asyncio.run(main())
    said = [each.getMessage() for each in caplog.records if each.name.startswith("opentelemetry")]
    assert said == ["an export of the program's own"]
    assert len([each for each in caplog.messages if each.startswith("telemetry_failed")]) == 1
