"""Where a program stands in a trace of its own, if it traces with OpenTelemetry."""

from opentelemetry.trace import get_current_span

from headrace.observe.telemetry.trace_context import TRACEPARENT, TRACESTATE, worded_parent
from headrace.observe.telemetry.traces import Headers


def ambient_context() -> Headers:
    """The span that is current for whoever asks, as headers; none where there is none."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return ()
    trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    parent = worded_parent(trace_id, span_id, is_sampled=context.trace_flags.sampled)
    state = context.trace_state.to_header().encode()
    return ((TRACEPARENT, parent), (TRACESTATE, state)) if state else ((TRACEPARENT, parent),)
