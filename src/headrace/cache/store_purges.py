"""Purges that travel through the store, where no server is shared that could tell of them.

The store numbers them and keeps them for whoever was away; this brings them into the ledger.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from headrace.cache.purges import ALL, NUMBER_STEP, Held, PurgeLedger
from headrace.clock import Clock
from headrace.store.faults import StoreFault

if TYPE_CHECKING:
    from headrace.store.store import Store
    from headrace.store.watch import PurgeWatch

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class StorePurges:
    """Belongs to one event loop.

    Args:
        store: where purges are kept.
        ledger: what is told of them; nobody else hands out numbers to it.
        clock: the time.
        spawn: starts the task that reads what is new.
        on_purge: told of a purge that is news, after the ledger: scope and number.
        on_state: told once when purges are known up to now (again), and once when they are not.
    """

    def __init__(
        self,
        store: "Store",
        *,
        ledger: PurgeLedger,
        clock: Clock,
        spawn: Spawn,
        on_purge: Callable[[str, int], None],
        on_state: Callable[[bool, str], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._spawn = spawn
        self._on_purge = on_purge
        self._on_state = on_state
        self._is_known: bool | None = None
        self._seq: int | None = None
        self._latest: int | None = None
        self._reading: asyncio.Task[None] | None = None
        self._watch: PurgeWatch | None = None
        self._owed: dict[str, Held] = {}

    def start(self) -> None:
        """Read what was purged so far, and everything that is from now on."""
        self._watch = self._store.watch_purges(self._hear)

    async def publish(self, scope: str) -> int | None:
        """Purge a scope in every process that shares the store. In force here at once.

        Returns:
            The purge's number, or `None` where the store does not answer. Then nothing of the
            scope is valid here until it does, and the others are told.
        """
        held = self._ledger.hold(scope)
        self._on_purge(held.scope, held.ticket)
        number = None
        try:
            number = await self._settle(held)
        except StoreFault:
            return None
        finally:
            if number is None:
                self._owed[held.scope] = held
                self._try_again()
        return number

    def _hear(self, latest: int | None) -> None:
        self._latest = latest
        if latest is None:
            self._tell(False, "the store cannot be asked")
        if latest is not None and self._reading is None:
            self._reading = self._spawn(self._catch_up())

    async def _catch_up(self) -> None:
        try:
            for held in list(self._owed.values()):
                await self._settle(held)
            while self._latest is not None and self._seq != self._latest:
                await self._read()
            self._tell(self._latest is not None, "the store can be asked")
            if self._owed:  # since we began
                self._try_again()
        except StoreFault:
            self._latest = None
            self._try_again()
        finally:
            self._reading = None

    def _try_again(self) -> None:
        if self._watch is not None:
            self._watch.again()  # it tells the number once more when the store answers

    async def _read(self) -> None:
        news = await self._store.purges.since(self._seq)
        if not news.is_complete:
            self._ledger.drop_before(news.latest * NUMBER_STEP)
            self._on_purge(ALL, self._ledger.latest)
        elif self._seq is None and news.forgotten:
            self._ledger.drop_before(news.forgotten * NUMBER_STEP)
        for purge in news.purges:
            self._apply(purge.scope, purge.seq)
        self._ledger.learn(news.latest * NUMBER_STEP)
        self._seq = news.latest
        if self._latest is not None:
            self._latest = max(self._latest, news.latest)

    def _tell(self, is_known: bool, why: str) -> None:
        if is_known is not self._is_known:
            self._is_known = is_known
            self._on_state(is_known, why)

    async def _settle(self, held: Held) -> int:
        seq = await self._store.purges.publish(held.scope, self._clock.wall_s())
        self._apply(held.scope, seq)
        self._ledger.release(held)
        if self._owed.get(held.scope) == held:
            del self._owed[held.scope]
        return seq * NUMBER_STEP

    def _apply(self, scope: str, seq: int) -> None:
        number = seq * NUMBER_STEP
        if self._ledger.apply(scope, number):
            self._on_purge(scope, number)
