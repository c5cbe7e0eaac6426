"""Calls to providers that are spans of their own: they carry the trace on, and tell how they went.

What is not traced is sent as ever, and nothing stands between it and its connection.
"""

from typing import Final

from headrace.errors import HeadraceError
from headrace.gateway.order import Order
from headrace.gateway.plan import Lane
from headrace.gateway.relay import Cancellable
from headrace.observe.gen_ai_families import operation_name
from headrace.observe.telemetry.attributes import MODEL_CHARS_MAX
from headrace.observe.telemetry.traces import Attributes, Span, Trace
from headrace.upstream.faults import UpstreamFault
from headrace.upstream.h1 import Flow, RawHeaders, Sink

_ERRORS: Final = 400
_CANCELLED: Final = "cancelled"


def set_out(
    order: Order,
    lane: Lane,
    model: str,
    request: bytes,
    sink: Sink,
    *,
    is_hedge: bool = False,
) -> Cancellable:
    """Send a request to a provider.

    Args:
        order: what is asked, and by whom.
        lane: the way to the provider.
        model: as it is called there.
        request: what is sent, but for its place in a trace.
        sink: where the answer goes.
        is_hedge: whether it is the second of two that race for one answer.
    """
    trace = order.watch.trace
    if trace is None:
        return lane.endpoint.pool.send(request, sink)
    span_id = trace.tracer.span_id()
    request = _carrying(request, trace.header(span_id))
    if not trace.is_sampled:
        return lane.endpoint.pool.send(request, sink)
    known = _known(order, lane, model)
    if is_hedge:
        known += (("headrace.hedge", True),)
    return TracedCall(trace, span_id, known, sink).begin(lane, request)


def _carrying(request: bytes, lines: bytes) -> bytes:
    """A request with header lines more, behind its first; its body is copied once."""
    end = request.index(b"\n") + 1
    return b"".join((request[:end], lines, memoryview(request)[end:]))


def _known(order: Order, lane: Lane, model: str) -> Attributes:
    endpoint = lane.endpoint
    return (
        ("gen_ai.operation.name", operation_name(order.call.grammar.operation.value)),
        ("gen_ai.provider.name", endpoint.name),
        ("gen_ai.request.model", model[:MODEL_CHARS_MAX]),
        ("server.address", endpoint.host),
        ("server.port", endpoint.port),
        ("headrace.target", _place(order, endpoint.name, model)),
    )


def _place(order: Order, provider: str, model: str) -> int:
    """Which of the targets a call goes to, from 1, in the order in which they are preferred."""
    names = [(target.provider, target.model) for target in order.targets]
    return names.index((provider, model)) + 1


class TracedCall:
    """One call to a provider as a span.

    It stands between the call's sink and its connection: a `Sink` for the connection, the `Flow`
    for the sink, and what is cancelled for whoever made it.

    Args:
        trace: what it is a part of.
        span_id: its own.
        known: what is known of it beforehand.
        sink: where the answer goes.
    """

    __slots__ = (
        *("_began_s", "_call", "_events", "_flow", "_is_over", "_known", "_now_s", "_sink"),
        *("_span_id", "_status", "_trace"),
    )

    def __init__(self, trace: Trace, span_id: str, known: Attributes, sink: Sink) -> None:
        self._trace = trace
        self._span_id = span_id
        self._known = known
        self._sink = sink
        self._now_s = trace.tracer.now_s
        self._began_s = self._now_s()
        self._events: list[tuple[str, float]] = []
        self._status = 0
        self._is_over = False
        self._flow: Flow | None = None
        self._call: Cancellable | None = None

    def begin(self, lane: Lane, request: bytes) -> Cancellable:
        """Send it; gives what is to be cancelled."""
        call = lane.endpoint.pool.send(request, self)
        if not self._is_over:
            self._call = call
        return self

    def cancel(self) -> None:
        """Give the call up."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._end(_CANCELLED)

    # As a flow.

    def pause(self) -> None:
        if self._flow is not None:
            self._flow.pause()

    def resume(self) -> None:
        if self._flow is not None:
            self._flow.resume()

    def redirect(self, sink: Sink) -> None:
        """What comes from now on goes to `sink`; the connection still brings it here first."""
        self._sink = sink
        self.resume()

    # As a sink.

    def on_attempt(self, flow: Flow) -> None:
        if self._flow is not None:
            self._events.append(("sent_again", self._now_s()))
        else:
            self._events.append(("sent", self._now_s()))
        self._flow = flow
        self._sink.on_attempt(self)

    def on_head(self, status: int, headers: RawHeaders) -> None:
        self._status = status
        self._events.append(("first_byte", self._now_s()))
        self._sink.on_head(status, headers)

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:
        self._sink.on_body(chunk, framed)

    def on_end(self) -> None:
        self._end(str(self._status) if self._status >= _ERRORS else "")
        self._sink.on_end()

    def on_fault(self, error: HeadraceError) -> None:
        self._end(error.kind if isinstance(error, UpstreamFault) else error.code)
        self._sink.on_fault(error)

    # The inside.

    def _end(self, error: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._call = self._flow = None  # cycles, which would be left to the garbage collector
        trace, known = self._trace, self._known
        offset_s = trace.tracer.offset_s
        if self._status:
            known += (("http.response.status_code", self._status),)
        if error:
            known += (("error.type", error),)
        operation, model = known[0][1], known[2][1]
        trace.tracer.ended(
            Span(
                name=f"{operation} {model}",
                kind="client",
                trace_id=trace.trace_id,
                span_id=self._span_id,
                parent_id=trace.span_id,
                state=trace.state,
                is_remote=False,
                began_s=self._began_s + offset_s,
                ended_s=self._now_s() + offset_s,
                attributes=known,
                events=tuple((name, at_s + offset_s) for name, at_s in self._events),
                error=error,
            )
        )
