"""Requests as spans, by the conventions for generative AI: no prompt, no answer, no secret."""

from collections.abc import Iterator, Sequence
from typing import Final

from headrace.observe.access_log import AccessLine
from headrace.observe.gen_ai_families import operation_name
from headrace.observe.telemetry.traces import Span, Trace, Tracer, Value
from headrace.server.exchange import Exchange
from headrace.server.heads import RequestHead

_ERRORS: Final = 400
_MODEL_CHARS_MAX: Final = 100


def tell_hit(tracer: Tracer, head: RequestHead, line: AccessLine) -> None:
    """Trace a request that its bytes alone were enough for, if it is sampled.

    Args:
        tracer: decides.
        head: of the request.
        line: what is logged of it; gets the id of its trace.
    """
    trace = tracer.begin_sampled(head.carried)
    if trace is not None:
        line.trace_id = trace.trace_id
        # Which model was asked for stands in the body, which nobody has read.
        trace.tracer.ended(_span(trace, line, "", ("look_up",), (line.duration_ms,)))


def tell_request(trace: Trace, exchange: Exchange, line: AccessLine) -> None:
    """Trace any other, if it is sampled.

    Args:
        trace: where it stands.
        exchange: the request and its answer; it is over.
        line: what is logged of it; gets the id of its trace.
    """
    line.trace_id = trace.trace_id
    if trace.is_sampled:
        asked = exchange.source.asked if exchange.source is not None else ""
        watch = exchange.watch
        trace.tracer.ended(_span(trace, line, asked, watch.names, watch.times_ms))


def _span(
    trace: Trace,
    line: AccessLine,
    asked: str,
    stages: Sequence[str],
    times_ms: Sequence[float],
) -> Span:
    offset_s = trace.tracer.offset_s
    assert isinstance(line.time, float)  # noqa: S101  # not yet spelled out
    ended_s = line.time + offset_s
    began_s = ended_s - line.duration_ms / 1000.0
    asked = asked[:_MODEL_CHARS_MAX]
    error = line.error or (str(line.status) if line.status >= _ERRORS else "")
    first = () if line.ttfb_ms is None else (("first_byte", began_s + line.ttfb_ms / 1000.0),)
    return Span(
        name=f"{operation_name(line.route)} {asked}".rstrip(),
        is_server=True,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent_id=trace.parent_id,
        state=trace.state,
        is_remote=True,
        began_s=began_s,
        ended_s=ended_s,
        attributes=(*_known(line, asked, error), *_stages(stages, times_ms)),
        events=first,
        error=error,
    )


def _known(line: AccessLine, asked: str, error: str) -> Iterator[tuple[str, Value]]:
    """What is known of a request; what is not, is left out."""
    pairs: tuple[tuple[str, Value | None], ...] = (
        ("gen_ai.operation.name", operation_name(line.route)),
        ("gen_ai.provider.name", line.provider),
        ("gen_ai.request.model", asked or None),
        ("gen_ai.response.model", line.model),
        ("gen_ai.usage.input_tokens", line.input_tokens),
        ("gen_ai.usage.output_tokens", line.output_tokens),
        ("error.type", error or None),
        ("http.request.method", line.method),
        ("http.route", line.path),
        ("http.response.status_code", line.status),
        ("headrace.request_id", line.request_id),
        ("headrace.tenant", line.tenant),
        ("headrace.cache", line.cache),
        ("headrace.stream", line.stream),
        ("headrace.attempts", line.attempts),
        ("headrace.cost_usd", line.cost_usd),
        ("headrace.fallback", line.fallback or None),
    )
    return ((name, value) for name, value in pairs if value is not None)


def _stages(stages: Sequence[str], times_ms: Sequence[float]) -> Iterator[tuple[str, float]]:
    for stage, time_ms in zip(stages, times_ms, strict=True):
        yield f"headrace.stage.{stage}_ms", time_ms
