"""One standby, through psycopg: reads on a pool, looks at it on a connection of their own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec
import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row, dict_row, scalar_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from headrace.store.patience import Patience
from headrace.store.replicas.roster import Sighting
from headrace.store.replicas.sessions import read_lsn

Answer = TypeVar("Answer")
Row = dict[str, Any]
Connection = AsyncConnection[Row]

_IDLE_S_MAX: Final = 300.0

# What a server has, a standby has replayed or a primary has on its disk, in one column. Where
# commits do not wait for the disk, standbys get what is inserted, and so that is what counts.
POSITION: Final = """SELECT CASE
    WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
    WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
    ELSE pg_current_wal_flush_lsn() END::text AS position"""
_SIGHTING: Final = f"""{POSITION}, pg_is_in_recovery() AS is_standby,
    (SELECT system_identifier FROM pg_control_system()) AS cluster"""  # noqa: S608  # of our own

# What a standby may refuse though the query and itself are well: the primary is asked then.
_CONFLICTS: Final = (errors.SerializationFailure, errors.DeadlockDetected, errors.UndefinedTable)


class StandbyFailed(Exception):
    """A standby did not do its part.

    Attributes:
        is_lost: the connection is gone, so the next one would fail as well.
        is_blameless: it could not be helped: a query that replaying was in the way of.
    """

    def __init__(self, why: str, *, is_lost: bool = False, is_blameless: bool = False) -> None:
        super().__init__(why)
        self.is_lost = is_lost
        self.is_blameless = is_blameless


async def position_of(connection: AsyncConnection[Any]) -> int:
    """How far the server at the other end is; on a primary, right after a commit, where that is."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        return read_lsn((await (await cursor.execute(POSITION)).fetchall())[0])


async def sighting_of(connection: AsyncConnection[Any]) -> Sighting:
    """What the server at the other end tells of itself."""
    async with connection.cursor(row_factory=class_row(_Told)) as cursor:
        told = (await (await cursor.execute(_SIGHTING)).fetchall())[0]
    return Sighting(read_lsn(told.position), told.is_standby, told.cluster)


class _Told(msgspec.Struct, frozen=True):
    position: str
    is_standby: bool
    cluster: int


class Standby:
    """Belongs to the loop that uses it first. Making it opens nothing.

    Args:
        url: `postgresql://...`.
        options: of every connection, where the URL does not say otherwise.
        size: most connections that read.
        limit_s: how long anything may take.
    """

    def __init__(self, url: str, options: Mapping[str, object], size: int, limit_s: float) -> None:
        given = conninfo_to_dict(url)
        host = given.get("host") or "localhost"
        self.name = f"{host}:{given.get('port') or 5432}/{given.get('dbname') or ''}"
        self._url = url
        self._options = {key: value for key, value in options.items() if key not in given}
        self._size = size
        self._limit_s = limit_s
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._watcher: Connection | None = None
        self._patience = Patience()

    async def fetch(self, text: str, values: Mapping[str, object]) -> list[Row]:
        """The rows of a query.

        Raises:
            StandbyFailed: it could not be asked, or did not answer in time.
            psycopg.Error: the query is wrong.
        """
        try:
            return await self._patience.within(self._limit_s, self._fetch(text, values))
        except (PoolTimeout, TooManyRequests, TimeoutError, errors.QueryCanceled) as error:
            raise StandbyFailed(f"{self.name} took too long") from error
        except _CONFLICTS as error:
            raise StandbyFailed(f"{self.name}: {error}", is_blameless=True) from error
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolClosed, OSError) as error:
            raise StandbyFailed(f"{self.name}: {error}", is_lost=True) from error

    async def look(self) -> Sighting:
        """What it tells of itself.

        Raises:
            StandbyFailed: it cannot be asked.
        """
        return await self._ask(sighting_of)

    async def position(self) -> int:
        """How far it has replayed.

        Raises:
            StandbyFailed: it cannot be asked.
        """
        return await self._ask(position_of)

    async def close(self) -> None:
        """Let go of all connections."""
        pool, self._pool = self._pool, None
        watcher, self._watcher = self._watcher, None
        await self._patience.end(self._limit_s)
        if watcher is not None:
            await watcher.close()
        if pool is not None:
            await pool.close(self._limit_s)

    async def _fetch(self, text: str, values: Mapping[str, object]) -> list[Row]:
        pool = await self._opened()
        async with pool.connection() as connection:
            return await (await connection.execute(text.encode(), values)).fetchall()

    async def _ask(self, ask: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        try:
            return await self._patience.within(self._limit_s, self._asked(ask))
        except (psycopg.Error, OSError, TimeoutError, ValueError) as error:
            self._watcher = None  # who was left behind closes it
            raise StandbyFailed(f"{self.name}: {error}", is_lost=True) from error

    async def _asked(self, ask: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        watcher = await self._watching()
        try:
            return await ask(watcher)
        except BaseException:
            await watcher.close()
            raise

    async def _opened(self) -> "AsyncConnectionPool[Connection]":
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._url,
                connection_class=cast("type[Connection]", AsyncConnection),
                kwargs={
                    **self._options,
                    "autocommit": True,
                    "row_factory": dict_row,
                    "prepare_threshold": 0,
                },
                min_size=1,
                max_size=self._size,
                timeout=self._limit_s,
                max_idle=_IDLE_S_MAX,
                configure=self._prepare,
                name=f"headrace standby {self.name}",
                open=False,
            )
            await self._pool.open(wait=False)
        return self._pool

    async def _prepare(self, connection: Connection) -> None:
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, false)",
            (f"{max(1, round(self._limit_s * 1000))}ms",),
        )

    async def _watching(self) -> Connection:
        if self._watcher is None or self._watcher.closed:
            self._watcher = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=0,
                **cast("Any", self._options),
            )
        return self._watcher
