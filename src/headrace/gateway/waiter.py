"""Someone inside the gateway who waits for one answer. Implements the relay's `Reader`."""

import asyncio

from headrace.cache.entry import Answer, Headers
from headrace.errors import HeadraceError
from headrace.gateway.reader import Place, Source


class Waiter:
    """Waits until the answer is there, and stored where it may be. Belongs to one event loop.

    Attributes:
        source: where the answer comes from, once that is known.
    """

    def __init__(self) -> None:
        self.source: Source | None = None
        self._answer: Answer | None = None
        self._error: HeadraceError | None = None
        self._seat: Place | None = None
        self._is_over = asyncio.Event()

    async def outcome(self) -> Answer:
        """The answer; who is cancelled while waiting gives it up.

        Raises:
            HeadraceError: there is none.
        """
        try:
            await self._is_over.wait()
        finally:
            seat, self._seat = self._seat, None
            if seat is not None and not self._is_over.is_set():
                seat.leave()
        if self._error is not None:
            # Everyone who joined is given the same error; each raises it with a trace of its own.
            raise self._error.with_traceback(None)
        assert self._answer is not None  # noqa: S101  # over, and without an error
        return self._answer

    def placed(self, source: Source) -> None:
        self.source = source

    def seated(self, seat: Place) -> None:
        self._seat = seat

    def prepare(self, answer: Answer) -> None:
        """There is nothing to word."""

    def answer(self, answer: Answer, age_s: float | None = None) -> None:  # noqa: ARG002
        self._answer = answer

    def done(self) -> None:
        self._is_over.set()

    def begin(self, status: int, headers: Headers) -> None:
        """What comes in pieces is waited for as a whole."""

    def feed(self, chunk: bytes, framed: bytes | None = None) -> None:
        """The whole comes with the end."""

    def end(self, answer: Answer) -> None:
        self._answer = answer
        self._is_over.set()

    def fail(self, error: HeadraceError) -> None:
        self._error = error
        self._is_over.set()
