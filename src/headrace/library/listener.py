"""Someone in this process who waits for an answer. Implements the relay's `Reader`."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from headrace.cache.entry import Answer, Headers
from headrace.errors import HeadraceError
from headrace.gateway.call import Call, Stopwatch
from headrace.gateway.reader import Place, Source
from headrace.limits import WRITE_BUFFER_BYTES_HIGH, WRITE_BUFFER_BYTES_LOW

GIVEN_UP = 499  # nginx's number for a client that went away


class Listener:
    """One call of the library and what has come for it so far.

    Args:
        call: what is asked besides the body.
        now: the time, monotonic seconds.
        keeps: whether what comes in pieces is kept for `take`.
        on_over: told once that nothing more comes.

    Attributes:
        watch: times the stages.
        source: where the answer comes from, once that is known.
        given: the whole answer, once it is there.
        first_s: when its first byte came, monotonic seconds.
        status: HTTP status it is counted under, once it is over.
        has_begun: whether it comes in pieces.
        task: who asked for the next piece last.
    """

    def __init__(
        self,
        call: Call,
        now: Callable[[], float],
        *,
        keeps: bool,
        on_over: "Callable[[Listener], None]",
    ) -> None:
        self.call = call
        self.watch = Stopwatch(now, now())
        self.source: Source | None = None
        self.given: Answer | None = None
        self.first_s: float | None = None
        self.status = 0
        self.is_over = False
        self.has_begun = False
        self.is_paused = False
        self.task: asyncio.Task[Any] | None = None
        self._now = now
        self._keeps = keeps
        self._on_over = on_over
        self._error: HeadraceError | None = None
        self._seat: Place | None = None
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    # What the pipeline and the relay say.

    def placed(self, source: Source) -> None:
        self.source = source

    def seated(self, seat: Place) -> None:
        self._seat = seat

    def prepare(self, answer: Answer) -> None:
        """There is nothing to word."""

    def answer(self, answer: Answer, age_s: float | None = None) -> None:  # noqa: ARG002
        self._came()
        self.given = answer
        self._end(answer.status)

    def done(self) -> None:
        """Nothing is left to do."""

    def begin(self, status: int, headers: Headers) -> None:  # noqa: ARG002
        self._came()
        self.has_begun = True

    def feed(self, chunk: bytes, framed: bytes | None = None) -> None:  # noqa: ARG002
        if not self._keeps:
            return
        self._pieces.append(chunk)
        self._bytes += len(chunk)
        if self._bytes >= WRITE_BUFFER_BYTES_HIGH and not self.is_paused:
            self.is_paused = True
            if self._seat:
                self._seat.pause()
        self._changed.set()

    def end(self, answer: Answer) -> None:
        self.watch.passed("relay")
        self.given = answer
        self._end(answer.status)

    def fail(self, error: HeadraceError) -> None:
        self._error = error
        self._end(error.status)

    # What the caller says.

    @property
    def error_code(self) -> str:
        """Why there is no answer; empty where there is one."""
        if self._error is not None:
            return self._error.code
        return "client_gone" if self.status == GIVEN_UP else ""

    @property
    def bytes_held(self) -> int:
        """What came and was not taken yet."""
        return self._bytes

    def take(self) -> bytes | None:
        """The next piece, `None` where none has come yet."""
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        self._bytes -= len(piece)
        if self.is_paused and self._bytes <= WRITE_BUFFER_BYTES_LOW:
            self.is_paused = False
            if self._seat:
                self._seat.resume()
        return piece

    async def changed(self) -> None:
        """Wait until there is another piece, or the end."""
        self._changed.clear()
        await self._changed.wait()

    async def outcome(self) -> Answer:
        """The whole answer; who is cancelled while waiting for it gives it up.

        Raises:
            HeadraceError: there is none.
        """
        try:
            while not self.is_over:
                await self.changed()
        finally:
            self.leave()
        return self.result()

    def result(self) -> Answer:
        """The answer of a call that is over.

        Raises:
            HeadraceError: why there is none.
        """
        if self._error is not None:
            # Everyone who joined is given the same error; each raises it with a trace of its own.
            raise self._error.with_traceback(None)
        assert self.given is not None  # noqa: S101
        return self.given

    def leave(self, error: HeadraceError | None = None) -> None:
        """Wait no longer; `error` is what whoever waits is told. Nothing where it is over."""
        if self.is_over:
            return
        self._error = error
        seat, self._seat = self._seat, None
        self._end(GIVEN_UP)
        if seat:
            seat.leave()

    # The inside.

    def _came(self) -> None:
        if self.first_s is None:
            if self.source is not None and self.source.attempts:
                self.watch.passed("send")
            self.first_s = self._now()

    def _end(self, status: int) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.status = status
        self._seat = None
        self._changed.set()
        self._on_over(self)


def current_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
