"""How the store's threads say what happened: on the loop, where the event log lives."""

import asyncio
from collections.abc import Callable
from typing import Literal, Protocol

Level = Literal["info", "warning", "error"]


class Say(Protocol):
    """Takes an event; the event log's own method has this shape."""

    def __call__(
        self, level: Level, event: str, about: str = "", **fields: str | int | float | bool | None
    ) -> None: ...


class Voice:
    """Carries events from any thread to the loop.

    Args:
        say: called on the loop; None says nothing.
    """

    def __init__(self, say: Say | None) -> None:
        self._say = say
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say events on this loop from now on."""
        self._loop = loop

    def say(self, level: Level, event: str, about: str, detail: str) -> None:
        """Say an event, from any thread. Never blocks, never raises.

        Args:
            level: how bad it is.
            event: its stable name.
            about: what it happened to.
            detail: what else there is to know; never a secret.
        """
        if self._say is None or self._loop is None:
            return
        post(self._loop, lambda: self._tell(level, event, about, detail))

    def _tell(self, level: Level, event: str, about: str, detail: str) -> None:
        if self._say is not None:
            self._say(level, event, about, detail=detail)


def post(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have a loop call something, from any thread; in vain where the loop is closed."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return
