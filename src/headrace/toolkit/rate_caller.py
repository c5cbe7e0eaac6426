"""One caller of a `RateLimiter`: its limits, and those who wait for their turn. For any thread."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from threading import Lock

from headrace.flow.rate import CallerRate, RateLimits, Refusal


class Turn:
    """A wait for one of the calls at once to end."""

    __slots__ = ("_future", "_loop", "is_granted")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()
        self.is_granted = False

    async def come(self) -> None:
        await self._future

    def grant(self) -> bool:
        """Wake the one who waits, from any thread; false where its loop is no more."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed
            return False
        self.is_granted = True
        return True

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


class RateCaller:
    """A `CallerRate` behind a lock, and the queue for its calls at once.

    Args:
        limits: what the caller may ask.
        now_s: monotonic time, in seconds.
        sleep: waits so many seconds of that time.
    """

    __slots__ = ("_lock", "_now_s", "_rate", "_sleep", "_turns")

    def __init__(
        self,
        limits: RateLimits,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._rate = CallerRate(limits)
        self._now_s = now_s
        self._sleep = sleep
        self._lock = Lock()
        self._turns: deque[Turn] = deque()

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way or waits."""
        return self._rate.inflight == 0

    def admit(self, tokens: float) -> Refusal | None:
        """Admit a call now, or say why not."""
        with self._lock:
            return self._rate.admit(tokens, self._now_s())

    async def enter(self, timeout_s: float | None) -> None:
        """Wait for a place among the calls at once.

        Raises:
            TimeoutError: there was none for `timeout_s`.
        """
        with self._lock:
            if not self._rate.is_busy:
                self._rate.inflight += 1
                return
            turn = Turn()
            self._turns.append(turn)
        has_come = False
        try:
            async with asyncio.timeout(timeout_s):
                await turn.come()
            has_come = True
        finally:
            if not has_come:
                self._leave(turn)

    async def book(self, tokens: float, until_s: float) -> Refusal | None:
        """Wait, in a place among the calls at once, for the limits per minute.

        The place is given up where the call may not go, or does not want to any more.

        Args:
            tokens: what the call will probably use.
            until_s: where it would have to wait beyond this time, it does not wait at all.
        """
        with self._lock:
            now_s = self._now_s()
            booked = self._rate.book(tokens, now_s, wait_s_max=max(0.0, until_s - now_s))
            if isinstance(booked, Refusal):
                self._release()
                return booked
        at_s = now_s + booked
        has_come = False
        try:
            while (rest_s := at_s - self._now_s()) > 0:
                await self._sleep(rest_s)
            has_come = True
        finally:
            if not has_come:
                with self._lock:
                    self._rate.unbook(tokens)
                    self._release()
        return None

    def end(self, reserved: float, used: float) -> None:
        """A call has ended.

        Args:
            reserved: tokens it was admitted with.
            used: tokens it used.
        """
        with self._lock:
            self._rate.settle(reserved, used, self._now_s())
            self._release()

    def headers(self) -> list[tuple[str, str]]:
        """How the limits stand."""
        with self._lock:
            return self._rate.headers(self._now_s())

    def _leave(self, turn: Turn) -> None:
        with self._lock:
            if turn.is_granted:
                self._release()
            elif turn in self._turns:  # else its loop was found closed
                self._turns.remove(turn)

    def _release(self) -> None:
        """Hand a place on to whoever waits for it longest."""
        while self._turns:
            if self._turns.popleft().grant():
                return
        self._rate.release()
