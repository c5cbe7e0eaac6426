"""A copy in the store of what the shared server knows of purges.

A process that has never reached the server knows no purges, so nothing that is kept on disk would
count for it. With the copy it counts: the numbers are the server's, so nothing has to be undone
once the server can be reached.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from headrace.cache.purges import ALL, PurgeLedger, number_at
from headrace.clock import Clock
from headrace.store.faults import StoreFault

if TYPE_CHECKING:
    from headrace.store.known_purges import KnownPurges

COPY_S: Final = 1.0
# The whole is written once in so many seconds, for the file may be another one.
_WHOLE_TICKS: Final = 60


class Server(Protocol):
    """What is known of the shared server; `ValkeyPurges` is one."""

    @property
    def has_begun(self) -> bool:
        """Whether it was ever reached."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether purges of others are heard."""
        ...

    @property
    def last(self) -> int:
        """Every purge up to this number is in the ledger."""
        ...

    def resume(self, last: int) -> None:
        """Every purge up to this number is in the ledger, though the server did not tell."""
        ...


class PurgeCopy:
    """Belongs to one event loop.

    Args:
        known: where the copy is.
        server: what is copied.
        ledger: what is told of the copy while the server was never reached.
        clock: the time.
        on_purge: told of a purge that is news, after the ledger: scope and number.
    """

    def __init__(
        self,
        known: "KnownPurges",
        *,
        server: Server,
        ledger: PurgeLedger,
        clock: Clock,
        on_purge: Callable[[str, int], None],
    ) -> None:
        self._known = known
        self._server = server
        self._ledger = ledger
        self._clock = clock
        self._on_purge = on_purge
        self._written: Mapping[str, int] = {}
        self._written_last = 0

    async def follow(self) -> None:
        """Read while the server was never reached, and write from then on, until cancelled."""
        tick = 0
        while True:
            await asyncio.sleep(COPY_S)
            if not self._server.has_begun:
                await self.read()
            elif self._server.is_connected:
                tick += 1
                if tick % _WHOLE_TICKS == 0:
                    self._written, self._written_last = {}, 0
                await self.write()

    async def read(self) -> None:
        """Learn what is there, unless the server tells by itself or the store cannot be asked."""
        try:
            purges, last = await self._known.read()
        except StoreFault:
            return
        if not last or self._server.has_begun:
            return
        for scope, number in sorted(purges.items(), key=lambda purge: purge[1]):
            if self._ledger.apply(scope, number):
                self._on_purge(scope, number)
        self._ledger.learn(last)
        self._server.resume(last)

    async def write(self) -> bool:
        """Write what is new; says whether all that is known here is there."""
        told, last = self._ledger.told(), self._server.last
        news = {scope: n for scope, n in told.items() if n > self._written.get(scope, 0)}
        if not news and last <= self._written_last:
            return True
        # Nothing that was made before is left; and a purge of everything takes those before it in.
        outlived = max(
            number_at(max(0.0, self._clock.wall_s() - self._ledger.keep_s)), told.get(ALL, 0) - 1
        )
        try:
            await self._known.note(news, last, outlived=outlived)
        except StoreFault:
            return False
        self._written, self._written_last = told, last
        return True
