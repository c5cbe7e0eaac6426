"""Sending what is due: open loops by their schedule, closed loops by their users."""

import asyncio
from array import array
from collections.abc import Callable
from typing import Final

from headrace.bench.load.call import Call
from headrace.clock import Clock

# As fine as the loop's timers are.
_TIMER_S: Final = 0.001
_SPIN_S: Final = 0.002
_BURST: Final = 128
_FAILED_S: Final = 0.05


Maker = Callable[[int], tuple[int, bytes]]
"""The request of a number: its kind and its bytes."""


class OpenLoop:
    """Sends requests at times that were fixed before, whatever became of the others.

    Args:
        times: from the phase's start, in seconds, in order.
        make: the request of a number.
        start_s: when the phase begins, on the monotonic clock.
        send: takes kind, bytes and intended time.
        clock: the time.
        spins: wait without sleeping when the next one is near.
    """

    def __init__(
        self,
        times: "array[float]",
        make: Maker,
        start_s: float,
        send: Callable[[int, bytes, float], None],
        clock: Clock,
        *,
        spins: bool,
    ) -> None:
        self._times, self._make, self._start_s, self._send = times, make, start_s, send
        self._now_s = clock.monotonic_s
        self._spins = spins
        self._next = 0
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None
        self._turn()

    @property
    def is_done(self) -> bool:
        """Whether everything was sent."""
        return self._next >= len(self._times)

    def stop(self) -> None:
        """Send no more."""
        if self._handle is not None:
            self._handle.cancel()
        self._next = len(self._times)

    def _turn(self) -> None:
        now_s = self._now_s()
        last = min(self._next + _BURST, len(self._times))
        while self._next < last:
            due_s = self._start_s + self._times[self._next]
            if due_s > now_s:
                break
            kind, request = self._make(self._next)
            self._next += 1
            self._send(kind, request, due_s)
        if self._next < len(self._times):
            self._handle = self._wait(self._start_s + self._times[self._next] - self._now_s())

    def _wait(self, wait_s: float) -> asyncio.Handle:
        if wait_s <= 0 or (self._spins and wait_s <= _SPIN_S):
            return self._loop.call_soon(self._turn)
        if self._spins:
            wait_s -= _SPIN_S
        return self._loop.call_later(max(wait_s, _TIMER_S), self._turn)


class ClosedLoop:
    """Users who ask again when they have their answer.

    Args:
        users: how many.
        think_s: from an answer to the next question.
        make: the request of a number.
        start_s: when the phase begins, on the monotonic clock.
        end_s: when nobody asks any more.
        send: takes kind, bytes and intended time, which is now.
        clock: the time.
    """

    def __init__(
        self,
        users: int,
        think_s: float,
        make: Maker,
        start_s: float,
        end_s: float,
        send: Callable[[int, bytes, float], None],
        clock: Clock,
    ) -> None:
        self._think_s, self._make, self._send = think_s, make, send
        self._now_s = clock.monotonic_s
        self._end_s = end_s
        self._next = 0
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(max(0.0, start_s - self._now_s()), self._begin, users)

    @property
    def is_done(self) -> bool:
        """Whether nobody asks any more."""
        return self._now_s() >= self._end_s

    def stop(self) -> None:
        """Ask no more."""
        self._end_s = 0.0

    def answered(self, call: Call) -> None:
        """A user has its answer; one that failed at once thinks a little, or it would spin."""
        think_s = self._think_s if call.outcome == "ok" else max(self._think_s, _FAILED_S)
        if think_s:
            self._loop.call_later(think_s, self._ask)
        else:
            self._ask()

    def _begin(self, users: int) -> None:
        for _ in range(users):
            self._ask()

    def _ask(self) -> None:
        now_s = self._now_s()
        if now_s < self._end_s:
            kind, request = self._make(self._next)
            self._next += 1
            self._send(kind, request, now_s)
