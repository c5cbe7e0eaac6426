"""A store as a whole: its threads, and what can be done with it."""

import asyncio
from collections.abc import Callable
from functools import partial

from headrace.store.answers import AnswerStore
from headrace.store.bounds import StoreBounds
from headrace.store.crew import Crew
from headrace.store.database import Database, Link
from headrace.store.known_purges import KnownPurges
from headrace.store.leases import LeaseTable
from headrace.store.purges import PurgeLog
from headrace.store.voice import Voice
from headrace.store.watch import POLL_S, PurgeWatch


class Store:
    """Belongs to the loop that uses it first. Making it opens nothing, so it may be before a fork.

    Args:
        database: where to.
        bounds: how much, how long.
        voice: tells what happens.

    Attributes:
        answers: what was answered, by key.
        purges: what became invalid, in order.
        known_purges: what a shared server knows of that, which has an order of its own.
        leases: who does what only one shall do.
    """

    def __init__(self, database: Database, bounds: StoreBounds, voice: Voice) -> None:
        self._database = database
        self._voice = voice
        self._readers = Crew(
            "readers",
            bounds.readers,
            bounds.reads_waiting_max,
            partial(Link, database, writes=False),
            voice,
        )
        self._writer = Crew(
            "writer", 1, bounds.writes_waiting_max, partial(Link, database, writes=True), voice
        )
        self.answers = AnswerStore(self._readers, self._writer, database, bounds)
        self.purges = PurgeLog(self._readers, self._writer, database.dialect, bounds)
        self.known_purges = KnownPurges(self._readers, self._writer, database.dialect, bounds)
        self.leases = LeaseTable(self._writer, database.dialect, bounds)
        self._watches: list[PurgeWatch] = []

    @property
    def name(self) -> str:
        """What it is called in messages; holds no password."""
        return self._database.name

    async def ready(self, limit_s: float = 5.0) -> None:
        """Open it, and make the tables where they are missing.

        Without this, the first use does it, and a store that could not be opened is tried again
        with the next use.

        Raises:
            SchemaTooNew: a newer version of Headrace made the tables.
            StoreFault: it cannot be opened now.
        """
        await self._writer.run(lambda link: link.run(lambda _: None), limit_s)

    def watch_purges(
        self, tell: Callable[[int | None], None], poll_s: float | None = None
    ) -> PurgeWatch:
        """Have the loop told the number of the last purge, at first and whenever it has changed.

        Args:
            tell: called on the loop with the number; with None when the store cannot be asked any
                more, once, until it can.
            poll_s: seconds between looks; for PostgreSQL, where nothing was notified.
        """
        self._voice.bind(asyncio.get_running_loop())  # its thread may be the first to see damage
        usual_s = POLL_S[self._database.dialect]
        watch = PurgeWatch(self._database, tell, usual_s if poll_s is None else poll_s)
        self._watches.append(watch)
        return watch

    async def close(self, limit_s: float = 5.0) -> bool:
        """Do what waits, and let go of threads and connections.

        Returns:
            Whether all was done within the limit; threads that are stuck are left behind.
        """
        for watch in self._watches:
            watch.close()
        written = await self._writer.close(limit_s)
        return await self._readers.close(limit_s) and written
