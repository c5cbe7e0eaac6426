"""Purges that travel through a store: what could not be told at once is told when it can be."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from tests.support.stores import Place

from headrace.cache.purges import PurgeLedger
from headrace.cache.store_purges import StorePurges
from headrace.clock import SystemClock
from headrace.gateway.tasks import Tasks
from headrace.store.bounds import StoreBounds
from headrace.store.open import CACHE_FILE
from headrace.store.store import Store

PATIENCE_S = 20.0
HASTY = StoreBounds(read_limit_s=30.0, write_limit_s=0.1)


class Process:
    """One that shares the store: its ledger, and what it was told of."""

    def __init__(self, store: Store) -> None:
        self.ledger = PurgeLedger(SystemClock())
        self.store = store
        self.told: list[str] = []
        self.bugs: list[BaseException] = []
        self.is_known = False
        self.tasks = Tasks(self.bugs.append)
        self.purges = StorePurges(
            store,
            ledger=self.ledger,
            clock=SystemClock(),
            spawn=self.tasks.spawn,
            on_purge=lambda scope, _: self.told.append(scope),
            on_state=self._state,
        )

    def _state(self, is_known: bool, _why: str) -> None:
        self.is_known = is_known


@asynccontextmanager
async def process(place: Place, bounds: StoreBounds) -> AsyncIterator[Process]:
    async with place.opened(bounds) as store:
        await store.ready(PATIENCE_S)
        made = Process(store)
        made.purges.start()
        await until(lambda: made.is_known)
        yield made
        await made.tasks.close()
        assert made.bugs == []


async def until(predicate: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not predicate():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def test_a_purge_that_found_the_writer_busy_is_told_when_it_is_not(tmp_path: Path):
    place = Place("sqlite", tmp_path)

    async def test() -> None:
        async with process(place, HASTY) as one, process(place, HASTY) as two:
            with closing(sqlite3.connect(tmp_path / CACHE_FILE, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                assert await one.purges.publish("tag:x") is None
                # Not only given up on: nothing is under way any more.
                await until(lambda: not one.store.purges._writer.waiting)
            await until(lambda: "tag:x" in two.told)
            stamp = one.ledger.latest
            await until(lambda: one.ledger.is_valid(stamp, ("tag:x",)))

    asyncio.run(test())
