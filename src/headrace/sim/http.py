"""Connections of the simulated provider: HTTP/1.1 in, plays out."""

import asyncio
import collections
import socket
import struct
from typing import cast

import httptools

from headrace.sim.play import Ending, Play
from headrace.sim.service import BODY_BYTES_MAX, Service
from headrace.sim.stats import Request
from headrace.sim.wheel import Wheel

_WAITING_MAX = 64
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINGER_NONE = struct.pack("ii", 1, 0)
_FLUSH_S = 0.002


class Hub:
    """What all connections of one server share.

    Args:
        service: decides the answers.
        loop: the event loop they run on.
    """

    __slots__ = ("connections", "loop", "service", "stats", "wheel")

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self.service = service
        self.stats = service.stats
        self.loop = loop
        self.wheel = Wheel(loop)
        self.connections: set[Connection] = set()


class Connection(asyncio.Protocol):
    """One client's connection; answers its requests in order, one at a time."""

    __slots__ = (
        "_body_bytes",
        "_busy",
        "_closing",
        "_headers",
        "_hub",
        "_keep_alive",
        "_parked",
        "_parser",
        "_parts",
        "_paused",
        "_play",
        "_served",
        "_transport",
        "_url",
        "_waiting",
    )

    _transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._body_bytes = 0
        self._waiting: collections.deque[Request] = collections.deque()
        self._busy = False
        self._closing = False
        self._paused = False
        self._parked: _Player | None = None
        self._play: Play | None = None
        self._keep_alive = True
        self._served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but ancestry.
        self._transport = cast(asyncio.Transport, transport)
        self._hub.connections.add(self)
        self._hub.stats.connected()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._busy:
            self._busy = False
            self._hub.stats.inflight -= 1
            if not self._closing and self._play is not None:
                self._hub.stats.aborted(stream=self._play.stream)
        self._closing = True
        self._parked = None
        self._waiting.clear()
        self._hub.connections.discard(self)
        self._hub.stats.disconnected()

    def abort(self) -> None:
        """Close at once, without the rest of any answer."""
        self._closing = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.write(_BAD_REQUEST)
            self._close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._headers[name] = value
        if name == b"expect":
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        # One part above the bound is kept: that is how the service learns that it was too much.
        if self._body_bytes - len(body) <= BODY_BYTES_MAX:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        parts = self._parts
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(
            self._parser.get_method().decode("latin-1"),
            path,
            self._headers,
            parts[0] if len(parts) == 1 else b"".join(parts),
            self._parser.should_keep_alive(),
            query,
        )
        self._url = b""
        self._headers = {}
        self._parts = []
        self._body_bytes = 0
        if not self._busy:
            self._start(request)
            return
        self._waiting.append(request)
        if len(self._waiting) == _WAITING_MAX:
            self._transport.pause_reading()

    def _start(self, request: Request) -> None:
        if self._closing:
            return
        hub = self._hub
        self._busy = True
        hub.stats.inflight += 1
        self._keep_alive = request.keep_alive
        play = hub.service.respond(request, reused=self._served > 0)
        self._served += 1
        self._play = play
        if play.delay_s or len(play.writes) > 1 or self._paused:
            _Player(self, hub.wheel, play).begin()
            return
        if play.writes:
            self._transport.write(play.writes[0])
        self.finish(play.ending)

    def finish(self, ending: Ending) -> None:
        """All bytes of the play are written: do what ends it."""
        if ending is Ending.STALL:
            return
        self._busy = False
        self._play = None
        self._hub.stats.inflight -= 1
        if ending is Ending.RESET:
            self._closing = True
            # The head must have left before the reset, which throws away what has not.
            self._hub.loop.call_later(_FLUSH_S, self._reset)
        elif ending is Ending.CLOSE or not self._keep_alive:
            self._close()
        elif self._waiting:
            self._hub.loop.call_soon(self._next)

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        if len(self._waiting) == _WAITING_MAX:
            self._transport.resume_reading()
        self._start(self._waiting.popleft())

    def _close(self) -> None:
        self._closing = True
        self._transport.close()

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self._transport.abort()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        parked, self._parked = self._parked, None
        if parked is not None:
            parked.turn()

    def send(self, data: bytes, player: "_Player") -> bool:
        """Write `data`; where the client does not read, park `player` until it does."""
        if self._closing or not self._busy:
            return False
        if self._paused:
            self._parked = player
            return False
        self._transport.write(data)
        return True


class _Player:
    """Plays one answer that takes time."""

    __slots__ = ("_at", "_connection", "_due_s", "_play", "_wheel")

    def __init__(self, connection: Connection, wheel: Wheel, play: Play) -> None:
        self._connection = connection
        self._wheel = wheel
        self._play = play
        self._at = 0
        self._due_s = wheel.now_s() + play.delay_s

    def begin(self) -> None:
        """Start the clock."""
        if self._play.delay_s:
            self._wheel.call_at(self._due_s, self.turn)
        else:
            self.turn()

    def turn(self) -> None:
        """Write what is due and wait for the next moment."""
        play = self._play
        if self._at < len(play.writes):
            if not self._connection.send(play.writes[self._at], self):
                return
            self._at += 1
        if self._at < len(play.writes):
            self._due_s += play.interval_s
            self._wheel.call_at(self._due_s, self.turn)
        else:
            self._connection.finish(play.ending)
