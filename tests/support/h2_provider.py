"""A provider that speaks HTTP/2, whose every frame the test decides."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes


class Stream:
    """One call as the provider sees it.

    Attributes:
        headers: of the request, pseudo-headers among them.
        body: of the request.
        gone: set once the caller has reset the stream, or its connection ended.
        reset_code: the code it was reset with.
    """

    def __init__(
        self, connection: "Connection", number: int, headers: list[tuple[str, str]]
    ) -> None:
        self.connection = connection
        self.number = number
        self.headers = headers
        self.body = b""
        self.gone = asyncio.Event()
        self.reset_code: int | None = None

    def head(self, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.connection.h2.send_headers(self.number, [(":status", str(status)), *headers])
        self.connection.flush()

    async def send(self, data: bytes) -> None:
        """Send a part of the body, as fast as the windows let it."""
        while data:
            room = min(
                self.connection.h2.local_flow_control_window(self.number),
                self.connection.h2.max_outbound_frame_size,
            )
            if room <= 0:
                await self.connection.window_grows()
                continue
            self.connection.h2.send_data(self.number, data[:room])
            self.connection.flush()
            self.connection.sent += len(data[:room])
            data = data[room:]

    def end(self, trailers: tuple[tuple[str, str], ...] = ()) -> None:
        if trailers:
            self.connection.h2.send_headers(self.number, list(trailers), end_stream=True)
        else:
            self.connection.h2.end_stream(self.number)
        self.connection.flush()

    def reset(self, code: ErrorCodes = ErrorCodes.INTERNAL_ERROR) -> None:
        self.connection.h2.reset_stream(self.number, code)
        self.connection.flush()


Play = Callable[[Stream], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One connection a caller made."""

    def __init__(self, provider: "H2Provider") -> None:
        self.provider = provider
        self.h2 = H2Connection(H2Configuration(client_side=False))
        self.streams: dict[int, Stream] = {}
        self.sent = 0
        self.is_open = False
        self.was_told_goodbye = False
        self._wider = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.is_open = True
        self.provider.connections.append(self)
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self.provider.streams_max})
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.transport.close()
            return
        for event in events:
            self._take(event)
        self.flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = [(name.decode(), value.decode()) for name, value in event.headers]
            stream = Stream(self, event.stream_id, headers)
            self.streams[event.stream_id] = stream
        elif isinstance(event, DataReceived):
            self.streams[event.stream_id].body += event.data
            if self.provider.widens:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.provider.begin(self.streams[event.stream_id])
        elif isinstance(event, StreamReset):
            stream = self.streams[event.stream_id]
            stream.reset_code = event.error_code
            stream.gone.set()
        elif isinstance(event, WindowUpdated):
            self._wider.set()
        elif isinstance(event, ConnectionTerminated):
            self.was_told_goodbye = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        for stream in self.streams.values():
            stream.gone.set()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    async def window_grows(self) -> None:
        self._wider.clear()
        await self._wider.wait()

    def goodbye(self, last_stream: int | None = None) -> None:
        """Say GOAWAY: calls up to `last_stream` are answered, others are not."""
        last = self.h2.highest_inbound_stream_id if last_stream is None else last_stream
        self.flush()
        frame = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + last.to_bytes(4, "big") + bytes(4)
        self.transport.write(frame)  # by hand, for h2 itself ends the connection with it


class H2Provider:
    """Answers each call by `play`, which may be exchanged at any time.

    Attributes:
        connections: every connection there was.
        streams: every call that came whole, in order.
    """

    def __init__(self, streams_max: int) -> None:
        self.streams_max = streams_max
        self.connections: list[Connection] = []
        self.streams: list[Stream] = []
        self.play: Play = say_ok
        self.widens = True
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """Connections now."""
        return sum(connection.is_open for connection in self.connections)

    def hold_windows(self) -> None:
        """Let callers send no more than what they may send by now."""
        self.widens = False

    def begin(self, stream: Stream) -> None:
        self.streams.append(stream)
        task = asyncio.ensure_future(self._run(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, stream: Stream) -> None:
        with contextlib.suppress(ProtocolError):  # the caller left
            await self.play(stream)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for connection in self.connections:
            connection.transport.abort()


async def say_ok(stream: Stream) -> None:
    stream.head(200, (("content-type", "application/json"),))
    await stream.send(b"ok")
    stream.end()


@contextlib.asynccontextmanager
async def h2_provider(
    tls: ssl.SSLContext | None = None, streams_max: int = 250
) -> AsyncIterator[H2Provider]:
    """A provider on loopback as long as the context is open; `tls` has to offer `h2` by ALPN."""
    provider = H2Provider(streams_max)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(provider), "127.0.0.1", 0, ssl=tls
    )
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        provider.stop()
