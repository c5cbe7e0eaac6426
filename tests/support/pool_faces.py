"""Both faces of the connection pool behind one shape, so that a test is written once."""

import asyncio
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import uvloop

from headrace.toolkit.connections.answers import HttpHeaders, HttpResponse
from headrace.toolkit.connections.pool import ConnectionPool
from headrace.toolkit.connections.stats import ConnectionStats
from headrace.toolkit.connections.stream import HttpStream
from headrace.toolkit.connections.sync_pool import SyncConnectionPool


class Streamed(Protocol):
    """An answer that is read in pieces."""

    status: int
    headers: HttpHeaders

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def __iter__(self) -> Iterator[bytes]: ...


class Face(Protocol):
    """A pool as a test uses it."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def get(self, url: str, **wishes: Any) -> HttpResponse: ...
    def post(self, url: str, **wishes: Any) -> HttpResponse: ...
    def request(self, method: str, url: str, **wishes: Any) -> HttpResponse: ...
    def stream(self, method: str, url: str, **wishes: Any) -> Any: ...
    def stats(self) -> ConnectionStats: ...
    def close(self) -> None: ...


Make = Callable[..., Face]


class _LoopStream:
    def __init__(self, runner: asyncio.Runner, stream: HttpStream) -> None:
        self._runner = runner
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> Self:
        self._runner.run(self._stream.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._stream.__aexit__(kind, error, trace))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        async def following() -> bytes | None:
            return await anext(self._stream, None)

        chunk = self._runner.run(following())
        if chunk is None:
            raise StopIteration
        return chunk

    def read(self, bytes_max: int) -> bytes:
        return self._runner.run(self._stream.read(bytes_max))


class _LoopFace:
    """The async pool, each call of which runs its loop until it is answered."""

    def __init__(
        self, loop: Callable[[], asyncio.AbstractEventLoop], *most: int, **arguments: Any
    ) -> None:
        self._runner = asyncio.Runner(loop_factory=loop)
        self._pool = ConnectionPool(*most, **arguments)

    def __enter__(self) -> Self:
        self._runner.run(self._pool.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._runner.close()

    def get(self, url: str, **wishes: Any) -> HttpResponse:
        return self._runner.run(self._pool.get(url, **wishes))

    def post(self, url: str, **wishes: Any) -> HttpResponse:
        return self._runner.run(self._pool.post(url, **wishes))

    def request(self, method: str, url: str, **wishes: Any) -> HttpResponse:
        return self._runner.run(self._pool.request(method, url, **wishes))

    def stream(self, method: str, url: str, **wishes: Any) -> _LoopStream:
        async def begin() -> HttpStream:
            return self._pool.stream(method, url, **wishes)

        return _LoopStream(self._runner, self._runner.run(begin()))

    def stats(self) -> ConnectionStats:
        async def turn() -> None:
            await asyncio.sleep(0)

        self._runner.run(turn())  # a loop learns of the other side only while it runs
        return self._pool.stats()

    def close(self) -> None:
        self._runner.run(self._pool.close())


def on_asyncio(*most: int, **arguments: Any) -> Face:
    """The async pool on asyncio's own loop."""
    return _LoopFace(asyncio.new_event_loop, *most, **arguments)


def on_uvloop(*most: int, **arguments: Any) -> Face:
    """The async pool on uvloop."""
    return _LoopFace(uvloop.new_event_loop, *most, **arguments)


def on_threads(*most: int, **arguments: Any) -> Face:
    """The pool for threads."""
    return SyncConnectionPool(*most, **arguments)
