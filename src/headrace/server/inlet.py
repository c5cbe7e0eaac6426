"""A request's body on its way in, for those who read it as it comes."""

import asyncio
from collections import deque
from collections.abc import Callable

from headrace.errors import HeadraceError
from headrace.limits import INLET_BYTES_HIGH, INLET_BYTES_LOW


class Inlet:
    """Holds what has come of a body and was not read. Belongs to one event loop.

    A connection feeds it and stops reading from its client while it is full; one task reads it.

    Args:
        bytes_max: the most bytes that may come.

    Attributes:
        bytes_in: how many have come.
        on_room: told when a full inlet has room again.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes_in = 0
        self.on_room: Callable[[], None] = _nobody
        self._parts: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_full = False
        self._is_whole = False
        self._is_cut = False
        self._error: HeadraceError | None = None
        self._news: asyncio.Event = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether nothing more should come for now."""
        return self._is_full

    # Who feeds it.

    def feed(self, part: bytes) -> None:
        """A part has come."""
        self.bytes_in += len(part)
        self._held_bytes += len(part)
        self._is_full = self._is_full or self._held_bytes > INLET_BYTES_HIGH
        self._parts.append(part)
        self._news.set()

    def complete(self) -> None:
        """All of it has come."""
        self._is_whole = True
        self._news.set()

    def fail(self, error: HeadraceError) -> None:
        """What comes is wrong; whoever reads is told at once."""
        self._error = error
        self._let_go()

    def cut(self) -> None:
        """No more will come, and nobody waits for an answer."""
        if not self._is_whole:
            self._is_cut = True
            self._let_go()

    # Who reads it.

    async def read(self) -> tuple[bytes, bool] | None:
        """What has come, and whether there is more; `None` where the client is gone.

        Raises:
            HeadraceError: the body is wrong, or too large.
        """
        while not (self._parts or self._is_whole or self._is_cut or self._error):
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error
        if self._is_cut:
            return None
        part = self._parts.popleft() if self._parts else b""
        self._held_bytes -= len(part)
        if self._is_full and self._held_bytes <= INLET_BYTES_LOW:
            self._is_full = False
            self.on_room()
        return part, bool(self._parts) or not self._is_whole

    def _let_go(self) -> None:
        self._parts.clear()
        self._held_bytes = 0
        self._is_full = False
        self._news.set()


def _nobody() -> None:
    """Before a connection serves the request, it is asked in any case."""
