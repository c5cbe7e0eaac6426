"""What is asked without a request of a caller, as spans: lines of batches, calls of the library."""

from typing import Final

import msgspec

from headrace.cache.entry import Answer
from headrace.gateway.call import Call, Stopwatch
from headrace.gateway.reader import Source
from headrace.observe.telemetry.attributes import Asked, Pairs, known, stages
from headrace.observe.telemetry.traces import Links, Span

_ERRORS: Final = 400


class Asking(msgspec.Struct, frozen=True):
    """Something that was asked, and is over.

    Attributes:
        call: what was asked, and for whom.
        watch: timed it, and knows its trace.
        source: where its answer came from, where that was known.
        answer: what was answered.
        status: as HTTP has it.
        error: why there is no answer; empty where there is one.
        first_s: when the first byte of a stream came, monotonic seconds.
    """

    call: Call
    watch: Stopwatch
    source: Source | None
    answer: Answer | None
    status: int
    error: str = ""
    first_s: float | None = None


def tell_asking(asking: Asking, links: Links = ()) -> None:
    """Make a span of it, if it is recorded.

    Args:
        asking: it is over.
        links: what it belongs to without being a part of it.
    """
    call, watch, source, answer = asking.call, asking.watch, asking.source, asking.answer
    trace = watch.trace
    if trace is None or not trace.is_sampled:
        return
    offset_s, usage = trace.tracer.offset_s, answer.usage if answer is not None else None
    error = asking.error or (str(asking.status) if asking.status >= _ERRORS else "")
    asked = Asked(
        call.grammar.operation.value,
        source.asked if source is not None else "",
        source.provider if source is not None else None,
        source.model if source is not None else None,
        usage.input_tokens if usage is not None else None,
        usage.output_tokens if usage is not None else None,
        error,
    )
    first = () if asking.first_s is None else (("first_byte", asking.first_s + offset_s),)
    trace.tracer.ended(
        Span(
            name=asked.name,
            kind="internal",
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            parent_id=trace.parent_id,
            state=trace.state,
            is_remote=False,
            began_s=watch.began_s + offset_s,
            ended_s=trace.tracer.now_s() + offset_s,
            attributes=known(asked.pairs, _of_engine(asking), stages(watch.names, watch.times_ms)),
            events=first,
            error=error,
            links=links,
        )
    )


def _of_engine(asking: Asking) -> Pairs:
    source, answer = asking.source, asking.answer
    pairs: Pairs = (("headrace.tenant", asking.call.tenant),)
    if source is None:
        return pairs
    cost_usd = answer.cost_usd if answer is not None else None
    return (
        *pairs,
        ("headrace.cache", source.cache.value),
        ("headrace.stream", source.is_stream),
        ("headrace.attempts", source.attempts),
        ("headrace.cost_usd", 0.0 if source.is_free else cost_usd),
        ("headrace.fallback", source.fallback.value if source.fallback else None),
    )
