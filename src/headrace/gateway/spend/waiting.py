"""Calls that wait, for a moment, until the store says how much of a budget may be spent here."""

import asyncio
from collections.abc import Callable
from typing import Final

from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.gateway.order import Order

WAIT_S_MAX: Final = 4.0
"""After this a call that the store has said nothing about is refused."""
WAITING_MAX: Final = 256
_LOOK_S: Final = 0.02

Resume = Callable[[Order, HeadraceError | None], None]


class LeaseWait:
    """Belongs to one event loop.

    All who wait are tried again together, each time that the store has been heard: until then
    nothing can have changed.

    Args:
        clock: the time.
        heard_s: a time that is another one whenever the store has been heard, by any worker.
    """

    def __init__(self, clock: Clock, heard_s: Callable[[], float]) -> None:
        self._clock = clock
        self._heard_s = heard_s
        self._waiting: list[tuple[Order, Resume]] = []
        self._since_s = 0.0
        self._until_s = 0.0

    def take(self, order: Order, resume: Resume) -> bool:
        """Let an order wait, where it has not waited too long already, nor too many others do.

        Args:
            order: has found no lease that is large enough.
            resume: told that it may be tried again.

        Returns:
            Whether it waits.
        """
        now_s = self._clock.monotonic_s()
        if not order.waits_until_s:
            order.waits_until_s = now_s + WAIT_S_MAX
        if now_s >= order.waits_until_s or len(self._waiting) >= WAITING_MAX:
            return False
        if not self._waiting:
            self._since_s, self._until_s = self._heard_s(), order.waits_until_s
            self._look_soon()
        self._until_s = min(self._until_s, order.waits_until_s)
        self._waiting.append((order, resume))
        return True

    def _look_soon(self) -> None:
        asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        is_over = self._clock.monotonic_s() >= self._until_s
        if not is_over and self._heard_s() == self._since_s:
            self._look_soon()
            return
        waiting, self._waiting = self._waiting, []
        for order, resume in waiting:
            resume(order, None)
