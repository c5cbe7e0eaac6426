"""HTTP/1.1 from the client's side: bytes in, requests in order out to the service, answers back.

A connection is in one phase at a time and has one exchange at a time; what a client sends ahead
waits. A request that arrives in one piece with a head that is known goes past the parser: same
bytes, same meaning. Everything else is parsed by llhttp in its strict mode, which refuses the
shapes that request smuggling is made of (RFC 9112, 6.1 and 11.2).
"""

import asyncio
import enum
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools
import msgspec

from headrace.cache.key import repeat_key
from headrace.errors import HeadersTooLarge, HeadraceError, InvalidRequest, RequestTimeout
from headrace.limits import LINGER_S, WRITE_BUFFER_BYTES_HIGH, WRITE_BUFFER_BYTES_LOW
from headrace.server.exchange import Exchange
from headrace.server.heads import RawHead, RequestHead, body_too_large
from headrace.server.replies import CONTINUE
from headrace.server.service import Service

NEVER_S = float("inf")


class Reading(enum.IntEnum):
    """Where in the stream of requests the client is."""

    IDLE = 0  # between two requests
    HEAD = 1
    BODY = 2


class Received(NamedTuple):
    """A complete request that waits for its turn."""

    head: RequestHead
    body: bytes
    began_s: float


class HttpConnection(asyncio.Protocol):
    """One client.

    Args:
        service: what all connections of a worker share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._now = service.clock.monotonic_s
        self._bounds = service.bounds
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._reading = Reading.IDLE
        self._read_deadline_s = NEVER_S
        self._write_deadline_s = NEVER_S
        self._answer_deadline_s = NEVER_S
        self._flush_deadline_s = NEVER_S
        self._read_s_left = NEVER_S  # until the read deadline, while reading is paused
        self._exchange: Exchange | None = None
        self._pending: deque[Received | HeadraceError] = deque()
        self._takes_input = True
        self._is_deaf = False  # nothing more of what the client sends counts
        self._is_lingering = False
        self._is_serving = False
        self._raw_head = b""
        self._head_bytes = 0
        self._began_s = 0.0
        self.peer = ""
        self.write: Callable[[bytes], None]  # the transport's own: a method around it would cost
        self._start_message()

    def _start_message(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: RequestHead | None = None
        self._parts: list[bytes] = []
        self._body_bytes = 0

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES_HIGH, WRITE_BUFFER_BYTES_LOW)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self._read_deadline_s = self._now() + self._bounds.idle_timeout_s
        refusal = self._service.connected(self)
        if refusal:
            self._refuse(refusal)
            self._next()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._reading is Reading.IDLE:
            self._began_s = self._now()
            end = data.find(b"\r\n\r\n") + 4
            head = self._service.known_heads.get(data[:end])
            if head is not None and len(data) - end == head.body_bytes and self.is_idle:
                self._serve(head, data[end:], self._began_s)
                return
            # White space may stand before a request, but then these bytes are no head.
            self._raw_head = data[:end] if end > 4 and data[0] > 0x20 else b""
        self._feed(data)

    def eof_received(self) -> bool | None:
        """A client that stops sending is gone, whether or not it would still read."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._is_deaf = True
        del self._parser  # a cycle, which would be left to the garbage collector
        self._pending.clear()
        self._read_deadline_s = self._write_deadline_s = NEVER_S
        self._answer_deadline_s = self._flush_deadline_s = NEVER_S
        exchange, self._exchange = self._exchange, None
        self._service.disconnected(self)
        if exchange:
            exchange.client_gone()

    def pause_writing(self) -> None:
        self._write_deadline_s = self._now() + self._bounds.write_timeout_s
        self._read_or_pause()
        if self._exchange:
            self._exchange.pause()

    def resume_writing(self) -> None:
        self._write_deadline_s = NEVER_S
        if self._exchange:
            self._exchange.resume()
        self._next()

    # What the service asks for.

    @property
    def deadline_s(self) -> float:
        """When `expire` is due."""
        return min(
            self._read_deadline_s,
            self._write_deadline_s,
            self._answer_deadline_s,
            self._flush_deadline_s,
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way in either direction."""
        return self._reading is Reading.IDLE and self._exchange is None and not self._pending

    def expire(self, now_s: float) -> None:
        """A time limit passed."""
        if now_s >= min(self._write_deadline_s, self._flush_deadline_s):
            self._transport.abort()
        elif self._is_lingering:
            self._linger_on(now_s)
        elif now_s >= self._answer_deadline_s:
            self._answer_deadline_s = NEVER_S
            if self._exchange:
                self._exchange.expire()
        elif self._reading is Reading.IDLE:
            self.close()
        else:
            what, limit = ("headers", "header_timeout_s")
            if self._reading is Reading.BODY:
                what, limit = ("body", "body_timeout_s")
            self._refuse(RequestTimeout(f"The {what} came too slowly: listen.{limit} has passed."))
            self._next()

    def close(self) -> None:
        """Close once everything written has been sent, or the client takes too long over it."""
        self._read_deadline_s = NEVER_S
        self._flush_deadline_s = self._now() + self._bounds.write_timeout_s
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # What exchanges ask for.

    def finished(self, *, keep_alive: bool) -> None:
        """The exchange under way is over."""
        self._exchange = None
        self._answer_deadline_s = NEVER_S
        if keep_alive:
            self._wait_for_next()
            self._next()
        else:
            self._linger()

    def broken(self) -> None:
        """The answer under way cannot be completed: cut it so that the client sees it."""
        self._exchange = None
        self._is_deaf = True
        # Closing without the last chunk tells an HTTP client that the answer is not whole.
        self.close()

    # The inside.

    def _feed(self, data: bytes) -> None:
        before = self._reading
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._is_deaf:
                self._decline_upgrade(data[upgrade.args[0] :])
                return
        except httptools.HttpParserError as error:
            if not self._is_deaf:
                self._refuse(InvalidRequest(f"This is not valid HTTP/1.1: {error}."))
        if self._reading is Reading.HEAD and not self._is_deaf:
            # Behind another request in the same bytes, what is counted begins with the next read.
            if before is Reading.HEAD or not self._pending:
                self._head_bytes += len(data)
            if self._head_bytes > self._bounds.header_bytes_max:
                self._refuse(self._headers_too_large())
        self._next()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Ignore an offer to upgrade (RFC 9110, 7.8).

        The parser takes the bytes behind such a head for another protocol, even where they are
        the request's body; so it is given the head again, without the offer.
        """
        lines = [b"%b %b HTTP/1.1" % (self._parser.get_method(), self._target)]
        lines += [b"%b: %b" % pair for pair in self._headers if pair[0] != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        self._feed(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _headers_too_large(self) -> HeadersTooLarge:
        bounds = self._bounds
        return HeadersTooLarge(
            f"The headers are above {bounds.header_bytes_max} bytes or {bounds.header_count_max} "
            "lines; send less, or raise listen.header_bytes_max or listen.header_count_max."
        )

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

    def _serve_pending(self) -> None:
        while self._pending and self._exchange is None and self._write_deadline_s == NEVER_S:
            pending = self._pending.popleft()
            if isinstance(pending, HeadraceError):
                self._exchange = Exchange(
                    self, self._service, self._service.unread_head, self._began_s
                )
                self._exchange.fail(pending)
            else:
                self._serve(*pending)

    def _serve(self, head: RequestHead, body: bytes, began_s: float) -> None:
        call = head.call
        digest = b"" if call is None else repeat_key(call.scope, body)
        answer = self._service.answer_repeat(self, head, len(body), digest, began_s)
        if answer is not None:
            self._transport.write(answer)
            if not head.keep_alive:
                self._linger()
            elif self._reading is Reading.IDLE:
                self._read_deadline_s = began_s + self._bounds.idle_timeout_s
            return
        self._read_deadline_s = NEVER_S if self._reading is Reading.IDLE else self._read_deadline_s
        if call is not None and call.hints.deadline_s is not None:
            self._answer_deadline_s = began_s + call.hints.deadline_s
        self._exchange = Exchange(self, self._service, head, began_s)
        self._exchange.digest = digest
        self._service.start(self._exchange, body)

    def _wait_for_next(self) -> None:
        if self.is_idle:
            self._read_deadline_s = self._now() + self._bounds.idle_timeout_s

    def _read_or_pause(self) -> None:
        """Stop reading from a client that sends ahead or does not read."""
        wanted = not self._pending and self._write_deadline_s == NEVER_S
        if wanted == self._takes_input or self._transport.is_closing():
            return
        self._takes_input = wanted
        is_timed = self._reading is not Reading.IDLE and not self._is_deaf
        if wanted:
            if is_timed:
                self._read_deadline_s = self._now() + self._read_s_left
            self._transport.resume_reading()
        else:
            if is_timed:  # a client that is not read from is not slow
                self._read_s_left = self._read_deadline_s - self._now()
                self._read_deadline_s = NEVER_S
            self._transport.pause_reading()

    def _refuse(self, error: HeadraceError) -> None:
        """Answer what came before, then this error, then close."""
        self._is_deaf = True
        self._read_deadline_s = NEVER_S
        self._pending.append(error)

    def _linger(self) -> None:
        """Close so that the answer arrives although the client may still be sending."""
        self._is_deaf = True
        self._pending.clear()
        if not self._transport.can_write_eof():
            self.close()
            return
        self._transport.write_eof()
        self._is_lingering = True
        now_s = self._now()
        self._read_deadline_s = now_s + LINGER_S
        self._flush_deadline_s = now_s + self._bounds.write_timeout_s
        self._read_or_pause()

    def _linger_on(self, now_s: float) -> None:
        """Stay as long as the client has yet to take its answer."""
        if self._transport.get_write_buffer_size():
            self._read_deadline_s = now_s + LINGER_S
        else:
            self._transport.abort()

    # What the parser says: collect and check, nothing else. Raising here would lose the reason.

    def on_message_begin(self) -> None:
        self._start_message()
        self._head_bytes = 0
        self._reading = Reading.HEAD
        if not self._is_deaf:
            self._read_deadline_s = self._began_s + self._bounds.header_timeout_s

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is not None or self._is_deaf:  # a trailer: bounded by time, never merged
            return
        self._headers.append((name.lower(), value))
        if len(self._headers) > self._bounds.header_count_max:
            self._refuse(self._headers_too_large())

    def on_headers_complete(self) -> None:
        if self._is_deaf:
            return
        size = len(self._target) + sum(len(n) + len(v) + 4 for n, v in self._headers)
        if size > self._bounds.header_bytes_max:
            self._refuse(self._headers_too_large())
            return
        parser = self._parser
        if parser.should_upgrade() and parser.get_method() != b"CONNECT":
            return  # this head comes again, see `_decline_upgrade`
        raw = RawHead(
            parser.get_method(),
            self._target,
            parser.get_http_version(),
            parser.should_keep_alive(),
            self._headers,
        )
        self._head = head = self._service.read_head(raw)
        if self._raw_head:
            # At once: settings may change before the body is there.
            self._service.remember_head(self._raw_head, head)
            self._raw_head = b""
        self._reading = Reading.BODY
        self._read_deadline_s = self._now() + self._bounds.body_timeout_s
        if head.error and (head.expects_continue or not head.is_framed):
            self._is_deaf = True
            self._read_deadline_s = NEVER_S
            head = msgspec.structs.replace(head, keep_alive=False)
            self._pending.append(Received(head, b"", self._began_s))
        elif head.expects_continue and self._exchange is None and not self._pending:
            self._transport.write(CONTINUE)

    def on_body(self, part: bytes) -> None:
        if self._is_deaf:
            return
        self._body_bytes += len(part)
        if self._body_bytes > self._bounds.body_bytes_max:
            self._refuse(body_too_large(self._bounds.body_bytes_max))
        elif self._head is not None and self._head.error is None:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        head = self._head
        if self._is_deaf or head is None:
            return
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._reading = Reading.IDLE
        self._read_deadline_s = NEVER_S
        self._pending.append(Received(head, body, self._began_s))
        self._start_message()
