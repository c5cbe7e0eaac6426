"""Which requests are traced, and how many spans wait."""

import random

import pytest

from headrace.clock import ManualClock
from headrace.observe.telemetry.traces import Span, Tracer
from headrace.settings.telemetry import TelemetrySettings

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = ((b"traceparent", f"00-{TRACE}-{CALLER}-01".encode()),)
UNSAMPLED = ((b"traceparent", f"00-{TRACE}-{CALLER}-00".encode()),)


def tracer(sample: float = 0.0, *, follow_callers: bool = True, spans: int = 8) -> Tracer:
    dice = random.Random(7)
    settings = TelemetrySettings(
        traces=True, sample=sample, follow_callers=follow_callers, queue_spans_max=spans
    )
    return Tracer(settings, ManualClock(), dice.random, dice.randbytes)


def span(number: int) -> Span:
    return Span("chat", "server", TRACE, f"{number:016x}", "", b"", False, 0.0, 1.0, ())


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_the_share_that_is_set_is_traced(share: float) -> None:
    made = tracer(share)
    drawn = sum(made.begin_sampled(()) is not None for _ in range(20_000))
    assert drawn == pytest.approx(20_000 * share, rel=0.1)


def test_all_or_none_are_traced() -> None:
    assert all(tracer(1.0).begin(()).is_sampled for _ in range(50))
    none = tracer(0.0)
    assert not any(none.begin(()).is_sampled for _ in range(50))
    assert none.begin_sampled(()) is None


def test_a_caller_decides_for_its_own_requests() -> None:
    never, always = tracer(0.0), tracer(1.0)
    assert never.begin(SAMPLED).is_sampled
    assert not always.begin(UNSAMPLED).is_sampled
    assert always.begin_sampled(UNSAMPLED) is None
    trace = never.begin_sampled(SAMPLED)
    assert trace is not None
    assert (trace.trace_id, trace.parent_id) == (TRACE, CALLER)
    assert trace.span_id not in (CALLER, never.span_id())


def test_a_caller_that_is_not_followed_gives_its_id_and_no_more() -> None:
    never = tracer(0.0, follow_callers=False)
    assert never.begin_sampled(SAMPLED) is None
    trace = never.begin(SAMPLED)
    assert (trace.trace_id, trace.is_sampled) == (TRACE, False)
    always = tracer(1.0, follow_callers=False).begin_sampled(UNSAMPLED)
    assert always is not None
    assert (always.trace_id, always.is_sampled) == (TRACE, True)


def test_the_header_of_a_call_has_its_own_span() -> None:
    trace = tracer(1.0).begin(((b"tracestate", b"v=1"), *SAMPLED))
    assert trace.header("00f067aa0ba902b7") == (
        b"traceparent: 00-%b-00f067aa0ba902b7-01\r\ntracestate: v=1\r\n" % TRACE.encode()
    )


def test_spans_beyond_the_bound_are_dropped_and_counted() -> None:
    made = tracer(spans=4)
    for number in range(6):
        made.ended(span(number))
    assert made.take_dropped() == 2
    assert made.take_dropped() == 0
    assert [each.span_id[-1] for each in made.take(3)] == ["0", "1", "2"]
    assert len(made.take(3)) == 1
    assert made.take(3) == []
