"""An answer that is read as it comes, on an event loop."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from headrace.errors import HeadraceError, NotRunning
from headrace.toolkit.connections.answers import HttpHeaders
from headrace.toolkit.connections.async_connection import AsyncConnection
from headrace.toolkit.connections.face import Call
from headrace.toolkit.connections.faults import CallFault
from headrace.toolkit.connections.places import Places
from headrace.toolkit.connections.stats import Tally

Leased = tuple[Places[AsyncConnection], AsyncConnection]


class HttpStream:
    """The answer of `ConnectionPool.stream`: `async with`, and in it `async for chunk in answer`.

    Chunks are bytes as they come, as many at once as are there. One task reads. Who leaves before
    the end gives the call up, and its connection with it.

    Attributes:
        status: HTTP status.
        headers: its headers.
        attempts: how often the call went out, or tried to.
    """

    def __init__(
        self,
        call: Call,
        begin: Callable[[Call], Awaitable[Leased]],
        release: Callable[[Places[AsyncConnection], AsyncConnection], None],
        tally: Tally,
    ) -> None:
        self.status = 0
        self.headers = HttpHeaders([])
        self.attempts = 0
        self._call = call
        self._begin = begin
        self._release = release
        self._tally = tally
        self._begun: Leased | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        if self.attempts:
            raise NotRunning("A stream is read once: make the call again.", code="already_started")
        self.attempts = 1
        self._begun = await self._begin(self._call)
        reader = self._begun[1].reader
        self.status = reader.status
        self.headers = HttpHeaders(reader.headers)
        self.attempts = self._call.retries.attempts
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._begun is None:
            if self._is_over:
                raise StopAsyncIteration
            raise NotRunning("Read a stream inside `async with`.", code="not_started")
        chunk = b""
        try:
            chunk = await self._begun[1].read()
        except HeadraceError:
            self._tally.errors += 1
            raise
        finally:
            if not chunk:  # at its end, broken, or given up
                self._end()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def read(self, bytes_max: int) -> bytes:
        """The rest of the body at once.

        Args:
            bytes_max: bound on it.

        Raises:
            UpstreamBroken: it broke off, or is larger.
        """
        parts, size = list[bytes](), 0
        async for chunk in self:
            parts.append(chunk)
            size += len(chunk)
            if size > bytes_max:
                self._end()
                raise CallFault("too_large", self._call.origin)
        return b"".join(parts)

    def _end(self) -> None:
        begun, self._begun = self._begun, None
        self._is_over = True
        if begun is not None:
            self._release(*begun)
