"""Which requests are traced, and the spans that are over until somebody sends them."""

from collections import deque
from collections.abc import Callable
from math import log1p
from typing import Final, Literal

import msgspec

from headrace.clock import Clock
from headrace.observe.telemetry.trace_context import (
    TRACEPARENT,
    TraceContext,
    read_context,
    says_unsampled,
    worded_parent,
)
from headrace.settings.telemetry import TelemetrySettings

Headers = tuple[tuple[bytes, bytes], ...]
Value = str | int | float | bool
Attributes = tuple[tuple[str, Value], ...]
Kind = Literal["server", "client", "consumer", "internal"]
Links = tuple[tuple[str, str], ...]
"""Spans of other traces: the id of each trace, and of the span."""

_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_DRAWN_BYTES: Final = 4096
_TRACE_DIGITS: Final = 2 * _TRACE_BYTES


class Span(msgspec.Struct, frozen=True, gc=False):
    """A piece of work that is over. It holds no prompt, no answer and no secret.

    Attributes:
        name: the operation, and the model where that is known.
        kind: a request of a caller, a call to a provider, what a request had put off, or what was
            asked in this very process.
        trace_id: 32 hexadecimal digits.
        span_id: 16 of its own.
        parent_id: 16 of what it is a part of; empty for the first of its trace.
        state: `tracestate`.
        is_remote: whether what it is a part of is another process's.
        began_s: seconds since the epoch.
        ended_s: the same of its end.
        attributes: what is known of it.
        events: what happened at what second since the epoch.
        error: what went wrong; empty where nothing did.
        links: what it belongs to without being a part of it.
    """

    name: str
    kind: Kind
    trace_id: str
    span_id: str
    parent_id: str
    state: bytes
    is_remote: bool
    began_s: float
    ended_s: float
    attributes: Attributes
    events: tuple[tuple[str, float], ...] = ()
    error: str = ""
    links: Links = ()


class Trace(msgspec.Struct, frozen=True):
    """Where one request stands in its trace.

    Attributes:
        tracer: who takes its spans.
        trace_id: 32 hexadecimal digits.
        span_id: 16 of the request's own span.
        parent_id: 16 of the caller's; empty where it brought none.
        is_sampled: whether its spans are kept.
        state: `tracestate`, which goes on to providers.
    """

    tracer: "Tracer"
    trace_id: str
    span_id: str
    parent_id: str
    is_sampled: bool
    state: bytes

    @property
    def context(self) -> str:
        """Its own place as a `traceparent`, for what is done later; see `Tracer.resume`."""
        return worded_parent(self.trace_id, self.span_id, is_sampled=self.is_sampled).decode()

    @property
    def link(self) -> Links:
        """What spans of other traces belong to it by; none where nobody would find it."""
        return ((self.trace_id, self.span_id),) if self.is_sampled else ()

    def work_ended(self, name: str, began_s: float, attributes: Attributes, error: str) -> None:
        """Make a span of work that a request left behind, and that is over now.

        Args:
            name: of the span.
            began_s: monotonic seconds.
            attributes: what is known of it.
            error: what went wrong; empty where nothing did.
        """
        offset_s = self.tracer.offset_s
        self.tracer.ended(
            Span(
                name=name,
                kind="consumer",
                trace_id=self.trace_id,
                span_id=self.span_id,
                parent_id=self.parent_id,
                state=self.state,
                is_remote=True,
                began_s=began_s + offset_s,
                ended_s=self.tracer.now_s() + offset_s,
                attributes=attributes,
                error=error,
            )
        )

    def header(self, span_id: str) -> bytes:
        """The header lines for a call that is a span of this trace."""
        parent = worded_parent(self.trace_id, span_id, is_sampled=self.is_sampled)
        if not self.state:
            return b"traceparent: %b\r\n" % parent
        return b"traceparent: %b\r\ntracestate: %b\r\n" % (parent, self.state)


class Tracer:
    """Makes traces, and keeps spans that are over. Belongs to one event loop, but for `take`.

    Args:
        settings: how many requests are traced, and how many spans may wait.
        clock: the time.
        uniform: draws numbers from 0 to 1.
        token_bytes: draws bytes, for ids.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        clock: Clock,
        uniform: Callable[[], float],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self.now_s = clock.monotonic_s
        self._wall_s = clock.wall_s
        self._share = settings.sample
        self._follows_callers = settings.follow_callers
        self._spans_max = settings.queue_spans_max
        self._uniform = uniform
        self._token_bytes = token_bytes
        self._bytes = b""
        self._drawn_at = 0
        self._spans: deque[Span] = deque()
        self._dropped = 0
        self._left_out = self._gap()

    @property
    def offset_s(self) -> float:
        """What makes monotonic seconds seconds since the epoch."""
        return self._wall_s() - self.now_s()

    def begin(self, carried: Headers) -> Trace:
        """The trace of a request, which goes on to providers whether it is sampled or not.

        Args:
            carried: `traceparent` and `tracestate` as they came.
        """
        caller = read_context(carried) if carried else None
        if caller is None:
            return self._first(is_sampled=self._is_drawn())
        follows = self._follows_callers
        return self._under(caller, is_sampled=caller.is_sampled if follows else self._is_drawn())

    def begin_sampled(self, carried: Headers) -> Trace | None:
        """The same of a request that no provider is asked for; `None` where it is not sampled.

        What a caller carries is read only where that request is sampled, or may be.
        """
        if carried and self._follows_callers:
            trace = None if says_unsampled(carried) else self.begin(carried)
            return trace if trace is not None and trace.is_sampled else None
        if not self._is_drawn():
            return None
        caller = read_context(carried) if carried else None
        return (
            self._first(is_sampled=True) if caller is None else self._under(caller, is_sampled=True)
        )

    def resume(self, context: str) -> Trace:
        """The trace of what a request had put off, which goes on with that request's.

        Args:
            context: the request's own place in it, `Trace.context`; empty where it had none.
        """
        before = read_context(((TRACEPARENT, context.encode()),)) if context else None
        if before is None:
            return self._first(is_sampled=self._is_drawn())
        return self._under(before, is_sampled=before.is_sampled)

    def span_id(self) -> str:
        """16 hexadecimal digits that no other span has."""
        return self._drawn(_SPAN_BYTES)

    def ended(self, span: Span) -> None:
        """Keep a span until it is sent; it is dropped and counted where too many wait."""
        if len(self._spans) >= self._spans_max:
            self._dropped += 1
        else:
            self._spans.append(span)

    def take(self, count: int) -> list[Span]:
        """At most `count` of the oldest spans that wait; they wait no more. From any thread."""
        taken: list[Span] = []
        while len(taken) < count:
            try:
                taken.append(self._spans.popleft())
            except IndexError:
                break
        return taken

    @property
    def waiting(self) -> int:
        """How many spans wait to be sent."""
        return len(self._spans)

    def take_dropped(self) -> int:
        """How many spans were dropped since this was asked last."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def _first(self, *, is_sampled: bool) -> Trace:
        digits = self._drawn(_TRACE_BYTES + _SPAN_BYTES)
        trace_id, span_id = digits[:_TRACE_DIGITS], digits[_TRACE_DIGITS:]
        return Trace(self, trace_id, span_id, "", is_sampled, b"")

    def _drawn(self, size: int) -> str:
        """Digits of so many bytes that were drawn: many at once, for asking the system is dear."""
        at = self._drawn_at
        if at + size > len(self._bytes):
            self._bytes, at = self._token_bytes(_DRAWN_BYTES), 0
        self._drawn_at = at + size
        return self._bytes[at : at + size].hex()

    def _under(self, caller: TraceContext, *, is_sampled: bool) -> Trace:
        own, parent = self.span_id(), caller.span_id
        return Trace(self, caller.trace_id, own, parent, is_sampled, caller.state)

    def _is_drawn(self) -> bool:
        """Whether the lot falls on this one: gaps are drawn, which is cheaper than each request."""
        if self._left_out:
            self._left_out -= 1
            return False
        self._left_out = self._gap()
        return True

    def _gap(self) -> float:
        """How many are left out before the next: geometric (Devroye, "Non-Uniform Random Variate
        Generation", 1986, X.2)."""
        if self._share <= 0:
            return float("inf")
        if self._share >= 1:
            return 0
        return int(log1p(-self._uniform()) / log1p(-self._share))
