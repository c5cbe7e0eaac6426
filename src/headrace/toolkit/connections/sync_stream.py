"""An answer that a thread reads as it comes."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from headrace.errors import HeadraceError, NotRunning
from headrace.toolkit.connections.answers import HttpHeaders
from headrace.toolkit.connections.face import Call
from headrace.toolkit.connections.faults import CallFault, closed
from headrace.toolkit.connections.holdings import Holdings
from headrace.toolkit.connections.sync_connection import SyncConnection


class SyncHttpStream:
    """The answer of `SyncConnectionPool.stream`: `with`, and in it `for chunk in answer`.

    Chunks are bytes as they come. One thread reads. Who leaves before the end gives the call up,
    and its connection with it.

    Attributes:
        status: HTTP status.
        headers: its headers.
        attempts: how often the call went out, or tried to.
    """

    def __init__(
        self,
        call: Call,
        begin: Callable[[Holdings, Call], SyncConnection],
        holdings: Holdings,
    ) -> None:
        self.status = 0
        self.headers = HttpHeaders([])
        self.attempts = 0
        self._call = call
        self._begin = begin
        self._holdings = holdings
        self._connection: SyncConnection | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        if self.attempts:
            raise NotRunning("A stream is read once: make the call again.", code="already_started")
        self.attempts = 1
        connection = self._connection = self._begin(self._holdings, self._call)
        self.status = connection.reader.status
        self.headers = HttpHeaders(connection.reader.headers)
        self.attempts = self._call.retries.attempts
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._connection is None:
            if self._is_over:
                raise StopIteration
            raise NotRunning("Read a stream inside `with`.", code="not_started")
        chunk = b""
        try:
            chunk = self._connection.read()
        except HeadraceError:
            self._holdings.count(errors=1)
            if self._holdings.is_closed:
                raise closed() from None
            raise
        finally:
            if not chunk:  # at its end, broken, or given up
                self._end()
        if not chunk:
            raise StopIteration
        return chunk

    def read(self, bytes_max: int) -> bytes:
        """The rest of the body at once.

        Args:
            bytes_max: bound on it.

        Raises:
            UpstreamBroken: it broke off, or is larger.
        """
        parts, size = list[bytes](), 0
        for chunk in self:
            parts.append(chunk)
            size += len(chunk)
            if size > bytes_max:
                self._end()
                raise CallFault("too_large", self._call.origin)
        return b"".join(parts)

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        self._is_over = True
        if connection is not None:
            self._holdings.release(connection, is_kept=connection.rest())
