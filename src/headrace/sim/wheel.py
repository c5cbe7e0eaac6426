"""One timer for all that is due in the same millisecond: cheap for hundreds of streams."""

import asyncio
from collections.abc import Callable


class Wheel:
    """Calls back at given times, rounded up to a millisecond.

    Args:
        loop: the event loop whose time counts.
    """

    __slots__ = ("_loop", "_slots")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Callable[[], None]]] = {}

    def now_s(self) -> float:
        """The loop's time in seconds."""
        return self._loop.time()

    def call_at(self, due_s: float, action: Callable[[], None]) -> None:
        """Call `action` at `due_s` of the loop's time; soon, where that has passed."""
        slot = int(due_s * 1000) + 1
        actions = self._slots.get(slot)
        if actions is not None:
            actions.append(action)
            return
        self._slots[slot] = [action]
        self._loop.call_at(slot / 1000, self._turn, slot)

    def _turn(self, slot: int) -> None:
        for action in self._slots.pop(slot):
            action()
