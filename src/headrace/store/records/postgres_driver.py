"""Records in PostgreSQL: psycopg's pool on the loop, statements prepared at their first use."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, cast

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

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
from headrace.store.records.queries import Copy, Query
from headrace.store.records.records import BoundStep, Row, Values
from headrace.store.records.steps import migration
from headrace.store.records.waits import Waits

Result = TypeVar("Result")
RowConnection = AsyncConnection[Row]

# A server that could not be opened is not asked again for so long.
_REST_S: Final = 0.5
# A connection whose other end is gone without a word is found out in about this many seconds.
_SILENCE_S: Final = 10
_IDLE_S_MAX: Final = 300.0


class PostgresRecords:
    """One database.

    Args:
        url: `postgresql://...`; what its query says of the connection goes before what we say.
        bounds: how long, how many.
        clock: the time.
    """

    dialect = "postgresql"

    def __init__(self, url: str, bounds: RecordBounds, clock: Clock) -> None:
        given = conninfo_to_dict(url)
        host = given.get("host") or "localhost"
        self.name = f"{host}:{given.get('port') or 5432}/{given.get('dbname') or ''}"
        self._url = url
        self._bounds = bounds
        self._clock = clock
        self._options = {
            name: value for name, value in _options(bounds).items() if name not in given
        }
        self._pool: AsyncConnectionPool[RowConnection] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._refused: tuple[float, StoreFault] | None = None
        self._waits = Waits(self.name, bounds.waiting_max)
        self._is_ready = False

    async def ready(self, limit_s: float) -> None:
        await self._waits.run(self._open(), limit_s)

    async def fetch(self, query: Query, values: Values) -> list[Row]:
        async def work(connection: RowConnection) -> list[Row]:
            return await _rows(await connection.execute(query.text, values))

        return await self._waits.run(self._do(work), self._bounds.read_limit_s)

    async def write(self, steps: Sequence[BoundStep]) -> list[list[Row]]:
        async def work(connection: RowConnection) -> list[list[Row]]:
            return await _transact(connection, steps)

        return await self._waits.run(self._do(work), self._bounds.write_limit_s)

    async def close(self, limit_s: float) -> bool:
        is_done = await self._waits.close(limit_s)
        if self._pool is not None:
            await self._pool.close(limit_s)
        return is_done

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
                        self._is_ready = False  # tables may be gone, or this be another server
                    raise fault from error
        except TooManyRequests as error:
            raise StoreBusy(f"Too many wait for a connection to the store {self.name}") from error
        except PoolTimeout as error:
            raise StoreTimeout(f"No connection to the store {self.name} was free") from error
        except PoolClosed as error:
            raise StoreClosed("The store is closed.") from error
        except psycopg.Error as error:
            raise fault_of(error, self.name) from error

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
            self._pool = self._make_pool()
            await self._pool.open(wait=False)
        self._is_ready = True

    def _make_pool(self) -> "AsyncConnectionPool[RowConnection]":
        return AsyncConnectionPool(
            self._url,
            connection_class=cast("type[RowConnection]", AsyncConnection),
            kwargs={
                **self._options,
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": 0,
            },
            min_size=1,
            max_size=self._bounds.pool_size,
            max_waiting=self._bounds.waiting_max,
            timeout=self._bounds.write_limit_s,
            max_idle=_IDLE_S_MAX,
            reconnect_timeout=_SILENCE_S,
            configure=self._prepare,
            name=f"headrace {self.name}",
            open=False,
        )

    def _unreachable(self, error: Exception) -> StoreFault:
        return StoreFault(f"The store {self.name} cannot be opened: {first_line(error)}")

    async def _prepare(self, connection: RowConnection) -> None:
        timeout = f"{max(1, round(self._bounds.write_limit_s * 1000))}ms"
        await connection.execute(
            "SELECT set_config('statement_timeout', %(t)s, false),"
            " set_config('lock_timeout', %(t)s, false),"
            # A process that is frozen in a transaction must not hold up all the others.
            " set_config('idle_in_transaction_session_timeout', %(t)s, false)",
            {"t": timeout},
        )
        set_json_loads(_text, connection)

    async def _migrate(self) -> None:
        connection = await AsyncConnection.connect(
            self._url, autocommit=True, **cast("Any", self._options)
        )
        async with connection:
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


async def _copy(connection: RowConnection, into: Copy, rows: Sequence[Values]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(into.table), sql.SQL(", ").join(map(sql.Identifier, into.columns))
    )
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row([row[column] for column in into.columns])


async def _rows(cursor: "psycopg.AsyncCursor[Row]") -> list[Row]:
    return await cursor.fetchall() if cursor.description else []


def _text(data: str | bytes) -> str:
    """JSON is handed on as text, as SQLite does."""
    return data if isinstance(data, str) else bytes(data).decode()


def _options(bounds: RecordBounds) -> dict[str, object]:
    return {
        "connect_timeout": max(2, round(bounds.connect_limit_s)),
        "application_name": "headrace",
        "keepalives_idle": _SILENCE_S // 2,
        "keepalives_interval": 1,
        "keepalives_count": _SILENCE_S // 2,
        "tcp_user_timeout": _SILENCE_S * 1000,
    }
