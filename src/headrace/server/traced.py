"""Requests as spans: what is known of each when it is logged."""

from collections.abc import Sequence
from typing import Final

from headrace.observe.access_log import AccessLine
from headrace.observe.gen_ai_families import operation_name
from headrace.observe.telemetry.attributes import Asked, Pairs, known, stages
from headrace.observe.telemetry.traces import Span, Trace, Tracer
from headrace.server.exchange import Exchange
from headrace.server.heads import RequestHead

_ERRORS: Final = 400
# What asks no model itself, but has models asked later.
_PUTS_OFF: Final = frozenset(("/v1/jobs", "/api/create", "/v1/batches"))


def is_traced(head: RequestHead) -> bool:
    """Whether a request, that no stored answer was found for by its bytes, is traced."""
    return head.call is not None or (head.method == b"POST" and head.path in _PUTS_OFF)


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
    model: str,
    names: Sequence[str],
    times_ms: Sequence[float],
) -> Span:
    offset_s = trace.tracer.offset_s
    assert isinstance(line.time, float)  # noqa: S101  # not yet spelled out
    ended_s = line.time + offset_s
    began_s = ended_s - line.duration_ms / 1000.0
    error = line.error or (str(line.status) if line.status >= _ERRORS else "")
    asked = Asked(
        line.route,
        model,
        line.provider,
        line.model,
        line.input_tokens,
        line.output_tokens,
        error,
    )
    first = () if line.ttfb_ms is None else (("first_byte", began_s + line.ttfb_ms / 1000.0),)
    return Span(
        name=asked.name if operation_name(line.route) else f"{line.method} {line.path}",
        kind="server",
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent_id=trace.parent_id,
        state=trace.state,
        is_remote=True,
        began_s=began_s,
        ended_s=ended_s,
        attributes=known(asked.pairs, _of_gateway(line), stages(names, times_ms)),
        events=first,
        error=error,
    )


def _of_gateway(line: AccessLine) -> Pairs:
    return (
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
