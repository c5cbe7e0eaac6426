"""`StreamMultiplexer`: one stream to many readers, each at its own pace."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

import msgspec

from headrace.clock import Clock, SystemClock
from headrace.errors import InvalidRequest, NotRunning, Overloaded
from headrace.gateway.tasks import Tasks
from headrace.toolkit.stream_log import Seat, StreamLog

Chunk = TypeVar("Chunk")


class StreamProgress(msgspec.Struct, frozen=True):
    """A multiplexed stream at one moment.

    Attributes:
        chunks: chunks that came from the source.
        tokens: what `measure` made of them; chunks, where there is none.
        elapsed_s: seconds since the first reader came, until now or the end.
        first_s: seconds until the first chunk; `None` before.
        tokens_per_s: rate since the first chunk; 0 before the second.
        readers: readers now.
        dropped: readers that were too slow.
        is_over: whether the source has ended, failed or was cancelled.
    """

    chunks: int
    tokens: int
    elapsed_s: float
    first_s: float | None
    tokens_per_s: float
    readers: int
    dropped: int
    is_over: bool


class StreamMultiplexer(Generic[Chunk]):
    """Reads a source once, for any number of readers. Belongs to one event loop.

    The source is asked from the first reader on, and cancelled when the last one leaves.

    Args:
        source: what is read, such as an async generator.
        buffer_max: chunks a reader may leave unread, beside those that came before it.
        slow: what happens where a reader's buffer is full: `pause` asks the source for nothing
            more until there is room, `drop` ends that reader with `Overloaded`.
        history_max: chunks kept for readers that come late.
        coalesce_max: chunks handed out as one where several wait; 1 turns it off.
        join: makes one chunk of several; text and bytes need none, others come one by one.
        measure: tokens in a chunk; one for each where there is none.
        clock: the time, for `progress`.

    Raises:
        InvalidRequest: an argument is out of bounds.
    """

    def __init__(
        self,
        source: AsyncIterable[Chunk],
        *,
        buffer_max: int = 256,
        slow: Literal["pause", "drop"] = "pause",
        history_max: int = 1024,
        coalesce_max: int = 64,
        join: Callable[[Sequence[Chunk]], Chunk] | None = None,
        measure: Callable[[Chunk], int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if buffer_max < 1 or coalesce_max < 1 or history_max < 0:
            raise InvalidRequest(
                "buffer_max and coalesce_max are at least 1, history_max at least 0."
            )
        if slow not in ("pause", "drop"):
            raise InvalidRequest("slow is 'pause' or 'drop'.")
        self._source = source
        self._log: StreamLog[Chunk] = StreamLog(buffer_max=buffer_max, history_max=history_max)
        self._drops = slow == "drop"
        self._coalesce_max = coalesce_max
        self._join = join
        self._measure = measure
        self._now = (clock or SystemClock()).monotonic_s
        self._tasks = Tasks(_heard)
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._is_over = False
        self._waiters: set[asyncio.Future[None]] = set()
        self._room = asyncio.Event()
        self._chunks = self._tokens = self._dropped = self._tokens_first = 0
        self._began_s: float | None = None
        self._first_s: float | None = None
        self._ended_s: float | None = None

    async def __aenter__(self) -> "StreamMultiplexer[Chunk]":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def read(self) -> "StreamReader[Chunk]":
        """A reader of its own: what came before, up to `history_max` chunks, and then the rest.

        Also after the end, which it then gets to hear as others did.

        Raises:
            NotRunning: the source was cancelled, because all readers had left.
        """
        if isinstance(self._error, NotRunning):
            raise NotRunning(str(self._error))
        reader = StreamReader(self._log.join(), self._next, self._leave)
        if self._task is None:
            self._began_s = self._now()
            self._task = self._tasks.spawn(self._pump())
            self._task.add_done_callback(self._ended)
        return reader

    @property
    def progress(self) -> StreamProgress:
        """How far the source is."""
        now_s = self._now() if self._ended_s is None else self._ended_s
        began_s = now_s if self._began_s is None else self._began_s
        since_first_s = 0.0 if self._first_s is None else now_s - self._first_s
        later = self._tokens - self._tokens_first
        return StreamProgress(
            chunks=self._chunks,
            tokens=self._tokens,
            elapsed_s=now_s - began_s,
            first_s=None if self._first_s is None else self._first_s - began_s,
            tokens_per_s=later / since_first_s if since_first_s > 0 else 0.0,
            readers=len(self._log.seats),
            dropped=self._dropped,
            is_over=self._is_over,
        )

    async def aclose(self) -> None:
        """Cancel the source; readers get what waits for them, and then `NotRunning`."""
        if self._task is None:
            self._over(NotRunning("The stream was closed."))
            return
        self._task.cancel()
        await asyncio.wait([self._task])

    # The source's side.

    async def _pump(self) -> None:
        chunks = aiter(self._source)
        try:
            async for chunk in chunks:
                self._take_in(chunk)
                while self._log.behind():
                    await self._relieve()
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    def _take_in(self, chunk: Chunk) -> None:
        tokens = 1 if self._measure is None else self._measure(chunk)
        self._chunks += 1
        self._tokens += tokens
        if self._first_s is None:
            self._first_s = self._now()
            self._tokens_first = tokens
        self._log.push(chunk)
        self._wake()

    async def _relieve(self) -> None:
        if not self._drops:
            self._room.clear()
            await self._room.wait()
            return
        await asyncio.sleep(0)  # a source that never waits gives its readers no chance else
        for seat in self._log.behind():
            self._dropped += 1
            self._leave(seat)
        self._wake()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._over(NotRunning("The stream was closed, or all its readers had left."))
        else:
            self._over(task.exception())

    def _over(self, error: BaseException | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._error = error
            self._ended_s = self._now()
            self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    # The readers' side.

    def _leave(self, seat: Seat) -> None:
        self._log.leave(seat)
        self._room.set()
        if not self._log.seats and self._task is not None and not self._is_over:
            self._task.cancel()

    def _taken(self, seat: Seat) -> Chunk:
        """What a reader gets now; something has to wait for it."""
        waiting = self._log.waiting(seat)
        many = self._coalesce_max if seat.has_read else 1
        if many > 1 and len(waiting) > 1 and (self._join or isinstance(waiting[0], str | bytes)):
            chunks = waiting[:many]
            chunk = self._join(chunks) if self._join else _concatenated(chunks)
        else:
            chunks = waiting[:1]
            chunk = chunks[0]
        self._log.took(seat, len(chunks))
        self._room.set()
        return chunk

    async def _next(self, seat: Seat) -> Chunk:
        while not self._log.waiting(seat):
            if seat not in self._log.seats:
                raise Overloaded("This reader was too slow, and was dropped.", code="slow_reader")
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._taken(seat)


class StreamReader(Generic[Chunk]):
    """One reader of a `StreamMultiplexer`: an async iterator, and a context that leaves it.

    A read that is cancelled takes nothing, and may be made again. A reader that nobody holds any
    more leaves by itself.
    """

    __slots__ = ("_go", "_has_left", "_loop", "_next", "_seat")

    def __init__(
        self, seat: Seat, take: Callable[[Seat], Awaitable[Chunk]], go: Callable[[Seat], None]
    ) -> None:
        self._seat = seat
        self._next = take
        self._go = go
        self._loop = asyncio.get_running_loop()
        self._has_left = False

    @property
    def missed(self) -> int:
        """Chunks that had come and were kept no longer when this reader came."""
        return self._seat.missed

    def __aiter__(self) -> "StreamReader[Chunk]":
        return self

    async def __anext__(self) -> Chunk:
        """The next chunk, or several as one where this reader lags.

        Raises:
            Overloaded: this reader was dropped, because it was too slow.
            NotRunning: the multiplexer was closed.
            BaseException: whatever the source raised.
        """
        if self._has_left:
            raise StopAsyncIteration
        return await self._next(self._seat)

    def leave(self) -> None:
        """Read nothing more; the last reader that leaves cancels the source."""
        if not self._has_left:
            self._has_left = True
            self._go(self._seat)

    async def __aenter__(self) -> "StreamReader[Chunk]":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def __del__(self) -> None:
        if not self._has_left:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._go, self._seat)


def _heard(error: BaseException) -> None:
    """What the source raised is told to its readers."""


def _concatenated(chunks: Sequence[Any]) -> Any:
    return chunks[0][:0].join(chunks)
