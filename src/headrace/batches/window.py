"""How many lines of a batch are asked at once: fewer where there is too much to do.

Additive increase, multiplicative decrease (Chiu and Jain, 1989), as TCP does it: one decrease for
all that was under way when things became too much.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_SHRINK: Final = 0.5


class Window:
    """Lets in as many as there is room for. Belongs to one event loop.

    Args:
        most: the largest number at once.
        now_s: the time, monotonic seconds.

    Attributes:
        inside: how many are under way.
    """

    def __init__(self, most: int, now_s: Callable[[], float]) -> None:
        self.inside = 0
        self._most = most
        self._now_s = now_s
        self._room = float(most)
        self._shrunk_s = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def room(self) -> int:
        """How many may be under way now."""
        return max(1, int(self._room))

    async def enter(self) -> None:
        """Wait for room."""
        while self.inside >= self.room:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
        self.inside += 1

    def leave(self) -> None:
        """One is over."""
        self.inside -= 1
        self._wake()

    def went_well(self) -> None:
        """One was answered: there may be room for a little more."""
        if self._room < self._most:
            self._room = min(self._most, self._room + 1.0 / self._room)
            self._wake()

    def too_much(self, asked_s: float) -> None:
        """One was refused, as there is too much to do.

        Args:
            asked_s: when it was sent.
        """
        if asked_s >= self._shrunk_s:
            self._room = max(1.0, self._room * _SHRINK)
            self._shrunk_s = self._now_s()

    def _wake(self) -> None:
        for _ in range(min(self.room - self.inside, len(self._waiting))):
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
