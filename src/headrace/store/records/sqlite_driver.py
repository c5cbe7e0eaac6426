"""Records in SQLite: one thread writes, some read."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from headrace.clock import Clock
from headrace.store.crew import Crew
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.group_commit import GroupCommit
from headrace.store.records.queries import Query
from headrace.store.records.records import BoundStep, Condition, Row, Values
from headrace.store.records.sessions import Session
from headrace.store.records.sqlite_link import Deadline, RecordFile, RecordLink
from headrace.store.voice import Voice


class SqliteRecords:
    """One file.

    Args:
        path: of the file.
        bounds: how long, how many.
        voice: tells what happens.
        clock: the time.
    """

    dialect = "sqlite"

    def __init__(self, path: Path, bounds: RecordBounds, voice: Voice, clock: Clock) -> None:
        self._bounds = bounds
        file = RecordFile(path, bounds.write_limit_s)
        self.name = file.name
        writer = partial(RecordLink, file, writes=True)

        def reader() -> RecordLink:
            return RecordLink(file, writes=False, deadline=Deadline(clock, bounds.read_limit_s))

        self._readers = Crew("readers", bounds.readers, bounds.waiting_max, reader, voice)
        self._writer = Crew("writer", 1, bounds.waiting_max, writer, voice)
        self._commits = GroupCommit(self._writer, bounds.waiting_max, bounds.write_limit_s)

    async def ready(self, limit_s: float) -> None:
        await self._writer.run(RecordLink.open, limit_s)

    async def fetch(
        self,
        query: Query,
        values: Values,
        session: Session | None = None,  # noqa: ARG002
    ) -> list[Row]:
        return await self._readers.run(
            lambda link: link.fetch(query, values), self._bounds.read_limit_s
        )

    async def write(
        self,
        steps: Sequence[BoundStep],
        session: Session | None = None,  # noqa: ARG002
    ) -> list[list[Row]]:
        return await self._commits.write(steps)

    def condition(self) -> Condition:
        return Condition(used=self._readers.waiting, waiting=len(self._commits))

    async def close(self, limit_s: float) -> bool:
        await self._commits.close(limit_s)
        written = await self._writer.close(limit_s)
        return await self._readers.close(limit_s) and written
