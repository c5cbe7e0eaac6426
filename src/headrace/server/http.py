"""HTTP/1.1 from the client's side: bytes in, requests in order out to the service, answers back.

A connection has one exchange at a time; what a client sends ahead waits. A request that arrives in
one piece with a head that is known goes past the parser: same bytes, same meaning. Everything else
is read by `RequestReader`.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from headrace.cache.key import repeat_key
from headrace.errors import HeadraceError
from headrace.limits import LINGER_S, WRITE_BUFFER_BYTES_HIGH, WRITE_BUFFER_BYTES_LOW
from headrace.server.exchange import Exchange
from headrace.server.heads import RequestHead
from headrace.server.inlet import Inlet
from headrace.server.reading import NEVER_S, Reading, RequestReader
from headrace.server.replies import CONTINUE
from headrace.server.service import Service
from headrace.server.unsent import unsent_bytes

_IDLE = Reading.IDLE  # finding a member of an enum costs more than comparing with it
_NOW_S = 0.0  # a deadline that has always passed


class HttpConnection(asyncio.Protocol):
    """One client.

    Args:
        service: what all connections of a worker share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._now = service.clock.monotonic_s
        self._transport: asyncio.Transport
        self._reader: RequestReader
        self._exchange: Exchange | None = None
        self._answer_deadline_s = NEVER_S
        self._takes_input = True
        self._is_behind = False  # the client does not read what it is given
        self._is_lingering = False
        self._is_serving = False
        self._unsent_bytes = 0
        self._taken_s = NEVER_S  # when the client last read something, while that is watched
        self.peer = ""
        # The transport's own: methods around them would cost.
        self.write: Callable[[bytes], None]
        self.writelines: Callable[[tuple[bytes, bytes]], None]

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write, self.writelines = self._transport.write, self._transport.writelines
        self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES_HIGH, WRITE_BUFFER_BYTES_LOW)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self._reader = RequestReader(self._service, self.peer)
        self._wait_for_next()
        refusal = self._service.connected(self)
        if refusal and not self._transport.is_closing():
            self._reader.refuse(refusal)
            self._next()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader.phase is _IDLE and not reader.is_deaf:
            reader.began_s = began_s = self._now()
            end = data.find(b"\r\n\r\n") + 4
            head = self._service.known_heads.get(data[:end])
            if (
                head is not None
                and len(data) - end == head.body_bytes
                and self._exchange is None
                and not reader.pending
                and (not self._service.limits_addresses or self._service.welcomes(self.peer))
            ):
                self._serve(head, data[end:], began_s)
                return
            # White space may stand before a request, but then these bytes are no head.
            reader.raw_head = data[:end] if end > 4 and data[0] > 0x20 else b""
        reader.feed(data)
        self._next()

    def eof_received(self) -> bool | None:
        """A client that stops sending is gone, whether or not it would still read."""
        self._let_go()
        self.close()
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._taken_s = NEVER_S
        self._service.disconnected(self)
        self._let_go()
        self._reader.close()

    def pause_writing(self) -> None:
        self._is_behind = True
        self._watch_writing()
        self._read_or_pause()
        if self._exchange:
            self._exchange.pause()

    def resume_writing(self) -> None:
        self._is_behind = False
        if not (self._is_lingering or self._transport.is_closing()):
            self._taken_s = NEVER_S
        if self._exchange:
            self._exchange.resume()
        self._next()

    # What the service asks for.

    @property
    def deadline_s(self) -> float:
        """When `expire` is due."""
        if self._taken_s != NEVER_S:  # what was read since can be seen only now and then
            return _NOW_S
        return min(self._reader.deadline_s, self._answer_deadline_s)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way in either direction."""
        return self._exchange is None and not self._reader.has_more

    def expire(self, now_s: float) -> None:
        """A time limit may have passed."""
        if self._taken_s != NEVER_S and self._waits_in_vain(now_s):
            self._transport.abort()
        elif now_s >= self._answer_deadline_s:
            self._answer_deadline_s = NEVER_S
            if self._exchange:
                self._exchange.expire()
        elif now_s >= self._reader.deadline_s:
            if self._reader.phase is _IDLE:
                self.close()
            else:
                self._reader.expire()
                self._next()

    def close(self) -> None:
        """Close once everything written has been sent, or the client takes too long over it."""
        self._reader.stop()
        self._watch_writing()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # What exchanges ask for.

    def finished(self, *, keep_alive: bool) -> None:
        """The exchange under way is over."""
        self._exchange = None
        self._answer_deadline_s = NEVER_S
        if not keep_alive:
            self._linger()
            return
        self._wait_for_next()
        if self._reader.has_more or not self._takes_input:
            self._next()

    def broken(self) -> None:
        """The answer under way cannot be completed: cut it so that the client sees it."""
        self._exchange = None
        # Closing without the last chunk tells an HTTP client that the answer is not whole.
        self.close()

    # The inside.

    def _next(self) -> None:
        """Serve what waits, one at a time, as long as the client reads what it is given."""
        if self._is_serving:  # further up the stack: an answer given at once came back here
            return
        self._is_serving = True
        try:
            self._serve_pending()
        finally:
            self._is_serving = False
        self._read_or_pause()
        reader = self._reader
        is_due = reader.wants_leave and (self._exchange is None or reader.leave_is_due)
        if is_due and not self._is_behind:
            self._transport.write(CONTINUE)
            reader.leave_given()

    def _serve_pending(self) -> None:
        reader = self._reader
        while reader.pending and self._exchange is None and not self._is_behind:
            pending = reader.take()
            if isinstance(pending, HeadraceError):
                unread_head = self._service.unread_head
                self._exchange = Exchange(self, self._service, unread_head, reader.began_s)
                self._exchange.fail(pending)
            else:
                self._serve(*pending)

    def _serve(
        self, head: RequestHead, body: bytes, began_s: float, inlet: Inlet | None = None
    ) -> None:
        call, reader = head.call, self._reader
        digest = b"" if call is None else repeat_key(call.repeat_scope, body)
        answer = self._service.answer_repeat(self, head, len(body), digest, began_s)
        if answer is not None:
            if isinstance(answer, bytes):
                self.write(answer)
            else:
                self.writelines(answer)
            if not head.keep_alive:
                self._linger()
            elif reader.phase is _IDLE:
                reader.deadline_s = began_s + self._service.bounds.idle_timeout_s
            return
        if reader.phase is _IDLE:
            reader.deadline_s = NEVER_S
        if call is not None and call.hints.deadline_s is not None:
            self._answer_deadline_s = began_s + call.hints.deadline_s
        self._exchange = Exchange(self, self._service, head, began_s)
        self._exchange.digest = digest
        if inlet is not None:
            self._exchange.inlet = inlet
            inlet.on_room = self._next
        self._service.start(self._exchange, body)

    def _wait_for_next(self) -> None:
        if self.is_idle:
            self._reader.deadline_s = self._now() + self._service.bounds.idle_timeout_s

    def _read_or_pause(self) -> None:
        """Stop reading from a client that sends far ahead or does not read."""
        wanted = not (self._is_behind or self._reader.is_far_ahead)
        if wanted == self._takes_input or self._transport.is_closing():
            return
        self._takes_input = wanted
        if wanted:
            self._reader.resume()
            self._transport.resume_reading()
        else:
            self._reader.pause()
            self._transport.pause_reading()

    def _linger(self) -> None:
        """Close so that the answer arrives although the client may still be sending."""
        self._reader.end()
        if not self._transport.can_write_eof():
            self.close()
            return
        self._transport.write_eof()
        self._is_lingering = True
        self._watch_writing()
        self._read_or_pause()

    def _let_go(self) -> None:
        """The client is gone: whatever is under way for it ends."""
        self._reader.end()
        self._answer_deadline_s = NEVER_S
        exchange, self._exchange = self._exchange, None
        if exchange:
            exchange.client_gone()

    def _watch_writing(self) -> None:
        """From now on the client has to go on reading what was written."""
        self._unsent_bytes = unsent_bytes(self._transport)
        self._taken_s = self._now()

    def _waits_in_vain(self, now_s: float) -> bool:
        """Whether the client has read nothing for too long, or has all there will ever be."""
        before, self._unsent_bytes = self._unsent_bytes, unsent_bytes(self._transport)
        if self._unsent_bytes < before:
            self._taken_s = now_s
        has_all = self._is_lingering and not self._unsent_bytes
        limit_s = LINGER_S if has_all else self._service.bounds.write_timeout_s
        return now_s - self._taken_s >= limit_s
