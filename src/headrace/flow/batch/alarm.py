"""Drives a queue from an event loop: calls back when something is due."""

import asyncio
from collections.abc import Callable
from typing import Final

NEVER_S: Final = float("inf")
SOON_S: Final = -NEVER_S


class Alarm:
    """Calls back once at the time it is set to. Belongs to one event loop.

    What is due at once is due at the end of this turn of the loop, so that whatever comes in the
    same turn goes along.

    Args:
        ring: called when it is time.
    """

    __slots__ = ("_at_s", "_handle", "_ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.Handle | None = None
        self._at_s = NEVER_S

    def set(self, due_s: float, now_s: float) -> None:
        """Call back at `due_s`, and no more at whatever was set before.

        Args:
            due_s: when, monotonic seconds; infinity for never.
            now_s: the time on the same clock.
        """
        if due_s <= now_s:
            due_s = SOON_S
        if self._handle is not None:
            if due_s == self._at_s:
                return
            self._handle.cancel()
            self._handle = None
        self._at_s = due_s
        if due_s == NEVER_S:
            return
        loop = asyncio.get_running_loop()
        if due_s == SOON_S:
            self._handle = loop.call_soon(self._rings)
        else:
            self._handle = loop.call_later(due_s - now_s, self._rings)

    def cancel(self) -> None:
        """Do not call back."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _rings(self) -> None:
        self._handle = None
        self._ring()
