"""Records in PostgreSQL: psycopg's pool on the loop, statements prepared at their first use."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from headrace.clock import Clock
from headrace.store.faults import (
    StoreBusy,
    StoreClosed,
    StoreFault,
    StoreLost,
    StoreTimeout,
)
from headrace.store.postgres_faults import fault_of, first_line
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.postgres_links import PostgresLinks, RowConnection, RowPool
from headrace.store.records.queries import Copy, Query
from headrace.store.records.records import BoundStep, Condition, Row, Values
from headrace.store.records.roster import Sighting
from headrace.store.records.sessions import Session
from headrace.store.records.standby import Standby, position_of, sighting_of
from headrace.store.records.standby_reads import ReplicaReads
from headrace.store.records.steps import migration
from headrace.store.records.waits import Waits
from headrace.store.voice import Voice

Result = TypeVar("Result")

# What is worded of a copy before others on the loop have their turn.
_ROWS_AT_ONCE: Final = 64
# A server that could not be opened is not asked again for so long.
_REST_S: Final = 0.5


class PostgresRecords:
    """One database.

    Args:
        url: `postgresql://...`; what its query says of the connection goes before what we say.
        bounds: how long, how many.
        clock: the time.
        voice: tells what happens.
        replicas: URLs of its standbys.

    Raises:
        psycopg.ProgrammingError: a URL cannot be read.
    """

    dialect = "postgresql"

    def __init__(
        self,
        url: str,
        bounds: RecordBounds,
        clock: Clock,
        voice: Voice,
        replicas: Sequence[str] = (),
    ) -> None:
        self._links = PostgresLinks(url, bounds, bounds.write_limit_s)
        self.name = self._links.name
        self._bounds = bounds
        self._clock = clock
        self._pool: RowPool | None = None
        self._opening: asyncio.Task[None] | None = None
        self._refused: tuple[float, StoreFault] | None = None
        self._waits = Waits(self.name, bounds.waiting_max)
        self._standbys = self._make_standbys(replicas, voice) if replicas else None
        self._is_ready = False

    async def ready(self, limit_s: float) -> None:
        await self._waits.run(self._open(), limit_s)

    async def fetch(
        self, query: Query, values: Values, session: Session | None = None
    ) -> list[Row]:
        if session is not None and self._standbys is not None:
            rows = await self._from_standby(self._standbys, query, values, session)
            if rows is not None:
                return rows

        async def work(connection: RowConnection) -> list[Row]:
            return await _rows(await connection.execute(query.text, values))

        return await self._waits.run(self._do(work), self._bounds.read_limit_s)

    async def write(
        self, steps: Sequence[BoundStep], session: Session | None = None
    ) -> list[list[Row]]:
        async def work(connection: RowConnection) -> list[list[Row]]:
            rows = await _transact(connection, steps)
            if session is not None and self._standbys is not None:
                session.wrote(await position_of(connection))
            return rows

        return await self._waits.run(self._do(work), self._bounds.write_limit_s)

    def condition(self) -> Condition:
        stats = {} if self._pool is None else self._pool.get_stats()
        used = stats.get("pool_size", 0) - stats.get("pool_available", 0)
        waiting = stats.get("requests_waiting", 0)
        if self._standbys is None:
            return Condition(used, waiting)
        standbys = tuple(self._standbys.standings())
        return Condition(used, waiting, standbys, self._standbys.counts.told())

    async def close(self, limit_s: float) -> bool:
        if self._standbys is not None:
            await self._standbys.close(limit_s)
        is_done = await self._waits.close(limit_s)
        if self._pool is not None:
            await self._pool.close(limit_s)
        return is_done

    def _make_standbys(self, urls: Sequence[str], voice: Voice) -> ReplicaReads:
        bounds = self._bounds.replicas
        all_links = [PostgresLinks(url, self._bounds, bounds.answer_s_max) for url in urls]
        return ReplicaReads(
            [
                Standby(links, bounds.answer_s_max, Waits(links.name, self._bounds.waiting_max))
                for links in all_links
            ],
            bounds,
            look_at_primary=self._look,
            clock=self._clock,
            waits=Waits(self.name, 2 * len(urls) + 1),
            tell=voice.say,
        )

    async def _from_standby(
        self, standbys: ReplicaReads, query: Query, values: Values, session: Session
    ) -> list[Row] | None:
        try:
            position, waits = session.position, not session.is_ahead
            return await standbys.fetch(query.text, values, position, waits=waits)
        except psycopg.Error as error:
            raise fault_of(error, self.name) from error

    async def _look(self) -> Sighting | None:
        """Where this server is, as far as it can be asked."""
        if not self._is_ready:
            return None
        try:
            return await self._waits.run(
                self._attempt(sighting_of), self._bounds.replicas.answer_s_max
            )
        except StoreFault:
            return None

    async def _do(self, work: Callable[[RowConnection], Awaitable[Result]]) -> Result:
        """Do some work on a connection; once more on another where the first one was lost."""
        await self._open()
        try:
            return await self._attempt(work)
        except StoreLost:
            await self._open()
            return await self._attempt(work)

    async def _attempt(self, work: Callable[[RowConnection], Awaitable[Result]]) -> Result:
        pool = self._pool
        if pool is None:
            raise StoreLost(f"The store {self.name} is not open")
        try:
            async with pool.connection() as connection:
                try:
                    return await work(connection)
                except psycopg.Error as error:
                    fault = fault_of(error, self.name)
                    if isinstance(fault, StoreLost):
                        await connection.close()  # the pool makes another
                        self._lost()
                    raise fault from error
        except TooManyRequests as error:
            raise StoreBusy(f"Too many wait for a connection to the store {self.name}") from error
        except PoolTimeout as error:
            raise StoreTimeout(f"No connection to the store {self.name} was free") from error
        except PoolClosed as error:
            raise StoreClosed("The store is closed.") from error
        except psycopg.Error as error:
            raise fault_of(error, self.name) from error

    def _lost(self) -> None:
        """Tables may be gone, or another server be the primary."""
        self._is_ready = False
        if self._standbys is not None:
            self._standbys.primary_changed()

    async def _open(self) -> None:
        """Make the tables and the pool, once; all who come meanwhile wait for the same."""
        if self._is_ready:
            return
        if self._refused is not None and self._clock.monotonic_s() < self._refused[0]:
            raise self._refused[1]
        if self._opening is None:
            self._opening = self._waits.start(self._open_once())
            self._opening.add_done_callback(self._opened)
        await asyncio.shield(self._opening)

    def _opened(self, _: "asyncio.Task[None]") -> None:
        self._opening = None

    async def _open_once(self) -> None:
        try:
            async with asyncio.timeout(self._bounds.migration_limit_s):
                await self._migrate()
        except (psycopg.Error, OSError, StoreFault) as error:
            fault = error if isinstance(error, StoreFault) else self._unreachable(error)
            self._refused = self._clock.monotonic_s() + _REST_S, fault
            raise fault from error
        if self._pool is None:
            self._pool = self._links.pool()
            await self._pool.open(wait=False)
        else:
            await self._pool.drain()  # those that are left may lead to the server before
        self._is_ready = True
        if self._standbys is not None:
            self._standbys.primary_changed()
            self._standbys.start()

    def _unreachable(self, error: Exception) -> StoreFault:
        return StoreFault(f"The store {self.name} cannot be opened: {first_line(error)}")

    async def _migrate(self) -> None:
        async with await self._links.connect() as connection:
            await migrate(connection, self.name)


async def migrate(connection: AsyncConnection[Any], name: str, upto: int | None = None) -> int:
    """Bring the tables of a database to a version; returns the one they had.

    Args:
        connection: in autocommit mode; to be closed where this fails.
        name: of the database, for messages.
        upto: the version to stop at; the newest by default.
    """
    steps = migration(PostgresRecords.dialect, name, upto)
    try:
        statement = next(steps)
        while True:
            # Statements are those of our files, whole: nothing is bound.
            cursor = await connection.execute(statement.encode())
            statement = steps.send(await cursor.fetchall() if cursor.description else [])
    except StopIteration as end:
        found: int = end.value
        return found


async def _transact(connection: RowConnection, steps: Sequence[BoundStep]) -> list[list[Row]]:
    if len(steps) == 1 and not isinstance(steps[0].values, Sequence):
        return [await _rows(await connection.execute(steps[0].query.text, steps[0].values))]
    if any(step.query.copy is not None for step in steps):
        async with connection.transaction():
            return [await _step(connection, step) for step in steps]
    # All statements go out before the first answer is read.
    async with connection.pipeline():
        async with connection.transaction():
            cursors = [await _send(connection, step) for step in steps]
        return [[] if cursor is None else await _rows(cursor) for cursor in cursors]


async def _step(connection: RowConnection, step: BoundStep) -> list[Row]:
    copy = step.query.copy
    if copy is not None and isinstance(step.values, Sequence):
        await _copy(connection, copy, step.values)
        return []
    cursor = await _send(connection, step)
    return [] if cursor is None else await _rows(cursor)


async def _send(connection: RowConnection, step: BoundStep) -> "psycopg.AsyncCursor[Row] | None":
    if not isinstance(step.values, Sequence):
        return await connection.execute(step.query.text, step.values)
    if step.values:
        cursor = connection.cursor()
        await cursor.executemany(step.query.text, step.values)
    return None


async def _copy(connection: RowConnection, into: Copy, rows: Sequence[Any]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(into.table), sql.SQL(", ").join(map(sql.Identifier, into.columns))
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for number, row in enumerate(rows):
            await copy.write_row(row)
            if number % _ROWS_AT_ONCE == _ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)  # the loop has others to look after


async def _rows(cursor: "psycopg.AsyncCursor[Row]") -> list[Row]:
    return await cursor.fetchall() if cursor.description else []
