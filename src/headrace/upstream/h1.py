"""One HTTP/1.1 connection to a provider: a request goes out, its answer comes back in callbacks.

The parser's callbacks only collect; `data_received` then hands on what came, in order, before
anything else happens to it. There is no task and no future on this way: a call ends with
`on_end` or `on_fault` of its sink. The connection never queues: the pool hands it to one call
at a time.
"""

import asyncio
from typing import Protocol, cast

import httptools

from headrace.errors import HeadraceError
from headrace.upstream.chunks import payload_start
from headrace.upstream.faults import FaultKind, UpstreamFault, broken

NEVER_S = float("inf")
_FRAMING = (b"content-length", b"transfer-encoding")

RawHeaders = list[tuple[bytes, bytes]]


class Sink(Protocol):
    """Where an answer goes, in the order it comes. Nothing here may raise or block."""

    def on_attempt(self, flow: "Flow") -> None:
        """The request goes out, for the first time or again."""
        ...

    def on_head(self, status: int, headers: RawHeaders) -> None:
        """The answer begins; header names are in lower case."""
        ...

    def on_body(self, chunk: bytes, framed: bytes | None = None) -> None:
        """The next bytes of the body; `framed` is the same as one chunk, where it came so."""
        ...

    def on_end(self) -> None:
        """The answer ended as its framing said it would."""
        ...

    def on_fault(self, error: HeadraceError) -> None:
        """There will be no answer, or no more of it."""
        ...


class Flow(Protocol):
    """What a slow reader can ask of the connection its answer comes over."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def redirect(self, sink: Sink) -> None:
        """What comes from now on goes elsewhere."""
        ...


class Owner(Protocol):
    """Who hands a connection out, and is told how it is."""

    def became_idle(self, connection: "H1Connection") -> None: ...
    def was_lost(self, connection: "H1Connection") -> None: ...
    def has_failed(self, connection: "H1Connection", sink: Sink, fault: UpstreamFault) -> None: ...


class Timeouts(Protocol):
    """The time limits of one provider, in seconds."""

    @property
    def first_byte_timeout_s(self) -> float: ...
    @property
    def idle_timeout_s(self) -> float: ...
    @property
    def total_timeout_s(self) -> float: ...


class H1Connection(asyncio.Protocol):
    """A kept-alive connection that carries one call at a time.

    Args:
        provider: the provider's name, for errors.
        timeouts: its time limits.
        body_bytes_max: bound on one answer, in bytes.
        owner: told when the connection is idle, lost, or its call has failed.

    Attributes:
        made_s: since when it is there, on the loop's clock.
        is_old: whether its owner wants it used no more.
    """

    __slots__ = (
        "_body_bytes",
        "_body_bytes_max",
        "_complete",
        "_head_done",
        "_head_due",
        "_headers",
        "_heard",
        "_idle_timeout_s",
        "_is_between_chunks",
        "_keep_alive",
        "_lost",
        "_now",
        "_owner",
        "_parser",
        "_parts",
        "_paused",
        "_provider",
        "_received",
        "_sink",
        "_timeouts",
        "_total_deadline_s",
        "_transport",
        "deadline_s",
        "idle_since_s",
        "is_old",
        "made_s",
        "served",
    )

    def __init__(
        self, provider: str, timeouts: Timeouts, *, body_bytes_max: int, owner: Owner
    ) -> None:
        self._provider = provider
        self._timeouts = timeouts
        self._idle_timeout_s = timeouts.idle_timeout_s
        self._body_bytes_max = body_bytes_max
        self._owner = owner
        self._now = asyncio.get_running_loop().time
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._sink: Sink | None = None
        self._total_deadline_s = NEVER_S
        self._paused = False
        self._lost = False
        self.deadline_s = NEVER_S
        self.made_s = self.idle_since_s = self._now()
        self.is_old = False
        self.served = 0
        self._clear()

    def _clear(self) -> None:
        self._headers: RawHeaders = []
        self._parts: list[bytes] = []
        self._body_bytes = 0
        self._received = False
        self._head_due = False
        self._head_done = False
        self._complete = False
        self._keep_alive = False
        self._heard = False
        self._is_between_chunks = False

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be sent here any more."""
        return self._lost or self._transport.is_closing()

    def send(self, request: bytes, sink: Sink) -> None:
        """Send a request; its answer goes to `sink`."""
        now_s = self._now()
        self._clear()
        self._sink = sink
        self._total_deadline_s = now_s + self._timeouts.total_timeout_s
        self.deadline_s = min(now_s + self._timeouts.first_byte_timeout_s, self._total_deadline_s)
        sink.on_attempt(self)
        self._transport.write(request)

    def pause(self) -> None:
        """Stop reading, because nobody takes what comes; only the total time limit still runs."""
        if not self._paused and not self.is_lost:
            self._paused = True
            self._transport.pause_reading()
            self.deadline_s = self._total_deadline_s

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self.is_lost:
            self._paused = False
            self._transport.resume_reading()
            self.deadline_s = min(self._now() + self._idle_timeout_s, self._total_deadline_s)

    def redirect(self, sink: Sink) -> None:
        """What comes from now on goes to `sink`."""
        if self._sink is not None:
            self._sink = sink
        self.resume()

    def keep_time(self, now_s: float) -> None:
        """End the call if a time limit has passed; called now and then."""
        if self._heard:  # noted here, since doing it for every chunk would cost more than the chunk
            self._heard = False
            if not self._paused:
                self.deadline_s = min(now_s + self._idle_timeout_s, self._total_deadline_s)
        elif now_s >= self.deadline_s:
            self._expire(now_s)

    def _expire(self, now_s: float) -> None:
        if now_s >= self._total_deadline_s:
            self._fail("timeout_total")
        else:
            self._fail("timeout_idle" if self._received else "timeout_first_byte")

    def abort(self) -> None:
        """Give up the call, if there is one, and the connection with it."""
        self._sink = None
        self.deadline_s = NEVER_S
        self._transport.abort()

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        sink = self._sink
        if sink is None:  # nobody asked: a late or unsolicited answer
            self._transport.abort()
            return
        self._received = self._heard = True
        if self._is_between_chunks and (start := payload_start(data)):
            # What the parser would do with a whole chunk changes nothing in it.
            self._body_bytes += len(data)
            sink.on_body(data[start:-2], data)
            if self._body_bytes > self._body_bytes_max:
                self._fail("too_large")
            return
        is_cut = False
        try:
            self._parser.feed_data(data)
            # Else inside a chunk, or inside the size of the next.
            self._is_between_chunks &= data.endswith(b"\r\n")
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._head_done:
                self._fail("garbage", data)
                return
            is_cut = not self._complete
            self._keep_alive = False  # even where the answer is whole, what follows it is not
        if not self._head_done:  # a head in pieces is bounded as the body is
            self._body_bytes += len(data)
        if self._head_due and (sink := self._told_head(sink)) is None:
            return
        if self._parts:
            parts, self._parts = self._parts, []
            sink.on_body(parts[0] if len(parts) == 1 else b"".join(parts))
        if self._body_bytes > self._body_bytes_max or is_cut:
            self._fail("cut" if is_cut else "too_large")
        elif self._complete:
            self._finish()

    def _told_head(self, sink: Sink) -> Sink | None:
        """Hand the head on; says where the rest goes, which is nowhere if the call was given up."""
        self._head_due = False
        sink.on_head(self._parser.get_status_code(), self._headers)
        return self._sink

    def eof_received(self) -> None:
        return None  # the transport closes itself; `connection_lost` tells the call

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        try:
            if self._sink is not None:
                if self._head_done and not self._is_framed() and exc is None:
                    self._finish()
                else:
                    self._fail("cut" if self._received else "reset")
        finally:
            self._owner.was_lost(self)
            del self._parser  # a cycle, which would be left to the garbage collector

    # What the parser says: collect, nothing else.

    def on_message_begin(self) -> None:
        if self._complete:
            raise httptools.HttpParserError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:  # a trailer: never merged into the head (RFC 9110, 6.5.1)
            return
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # an interim answer; the real one follows
            self._headers = []
            return
        self._head_due = self._head_done = True

    def on_body(self, chunk: bytes) -> None:
        self._body_bytes += len(chunk)
        self._parts.append(chunk)

    def on_chunk_header(self) -> None:
        self._is_between_chunks = False

    def on_chunk_complete(self) -> None:
        self._is_between_chunks = True

    def on_message_complete(self) -> None:
        self._is_between_chunks = False
        self._complete = self._head_done
        # Asked here because the parser forgets the framing with the message.
        self._keep_alive = self._parser.should_keep_alive()

    def _is_framed(self) -> bool:
        """Whether the head says where the body ends."""
        return any(name in _FRAMING for name, _ in self._headers)

    def _finish(self) -> None:
        sink, self._sink = self._sink, None
        assert sink is not None  # noqa: S101  # what ends has begun
        self.deadline_s = NEVER_S
        self.served += 1
        keep = self._complete and self._keep_alive and not self.is_lost
        if self._paused:
            self.resume()
        try:
            sink.on_end()
        finally:
            if keep:
                self.idle_since_s = self._now()
                self._owner.became_idle(self)
            else:
                self._transport.close()

    def _fail(self, kind: FaultKind, data: bytes = b"") -> None:
        sink = cast(Sink, self._sink)
        self._sink = None
        self.deadline_s = NEVER_S
        self._transport.abort()
        is_plain = self._transport.get_extra_info("sslcontext") is None
        fault = broken(kind, self._provider, received=self._received, is_plain=is_plain, data=data)
        self._owner.has_failed(self, sink, fault)
