"""One standby: reads on a pool, looks at it on a connection of their own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import class_row, scalar_row
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from headrace.store.faults import StoreBusy, StoreClosed, StoreTimeout
from headrace.store.postgres_faults import first_line
from headrace.store.records.postgres_links import PostgresLinks, RowPool
from headrace.store.records.records import Row
from headrace.store.records.roster import Sighting
from headrace.store.records.sessions import read_lsn
from headrace.store.records.waits import Waits

Answer = TypeVar("Answer")

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


class _Told(msgspec.Struct, frozen=True):
    position: str
    is_standby: bool
    cluster: int


async def position_of(connection: AsyncConnection[Any]) -> int:
    """How far the server at the other end is; on a primary, right after a commit, where that is."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        return read_lsn((await (await cursor.execute(POSITION)).fetchall())[0])


async def sighting_of(connection: AsyncConnection[Any]) -> Sighting:
    """What the server at the other end tells of itself."""
    async with connection.cursor(row_factory=class_row(_Told)) as cursor:
        told = (await (await cursor.execute(_SIGHTING)).fetchall())[0]
    return Sighting(read_lsn(told.position), told.is_standby, told.cluster)


class Standby:
    """Belongs to the loop that uses it first. Making it opens nothing.

    Args:
        links: makes connections to it.
        limit_s: how long anything may take.
        waits: of this standby alone.
    """

    def __init__(self, links: PostgresLinks, limit_s: float, waits: Waits) -> None:
        self.name = links.name
        self._links = links
        self._limit_s = limit_s
        self._waits = waits
        self._pool: RowPool | None = None
        self._watcher: AsyncConnection[Any] | None = None

    async def fetch(self, text: str, values: Mapping[str, object]) -> list[Row]:
        """The rows of a query.

        Raises:
            StandbyFailed: it could not be asked, or did not answer in time.
            psycopg.Error: the query is wrong.
        """
        try:
            return await self._waits.run(self._fetch(text, values), self._limit_s)
        except (PoolTimeout, TooManyRequests, StoreTimeout, errors.QueryCanceled) as error:
            raise StandbyFailed(f"{self.name} took too long") from error
        except (StoreBusy, StoreClosed) as error:
            raise StandbyFailed(error.message, is_blameless=True) from error
        except _CONFLICTS as error:
            raise StandbyFailed(first_line(error), is_blameless=True) from error
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolClosed, OSError) as error:
            raise StandbyFailed(first_line(error), is_lost=True) from error

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

    async def close(self, limit_s: float) -> None:
        """Let go of all connections."""
        await self._waits.close(limit_s)
        if self._watcher is not None:
            await self._watcher.close()
        if self._pool is not None:
            await self._pool.close(limit_s)

    async def _fetch(self, text: str, values: Mapping[str, object]) -> list[Row]:
        if self._pool is None:
            self._pool = self._links.pool()
            await self._pool.open(wait=False)
        async with self._pool.connection() as connection:
            return await (await connection.execute(text.encode(), values)).fetchall()

    async def _ask(self, ask: Callable[[AsyncConnection[Any]], Awaitable[Answer]]) -> Answer:
        try:
            return await self._waits.run(self._asked(ask), self._limit_s)
        except (StoreBusy, StoreClosed) as error:
            raise StandbyFailed(error.message, is_blameless=True) from error
        except StoreTimeout as error:
            self._watcher = None  # who was left behind closes it
            raise StandbyFailed(error.message, is_lost=True) from error
        except (psycopg.Error, OSError, ValueError) as error:
            self._watcher = None
            raise StandbyFailed(first_line(error), is_lost=True) from error

    async def _asked(self, ask: Callable[[AsyncConnection[Any]], Awaitable[Answer]]) -> Answer:
        if self._watcher is None or self._watcher.closed:
            self._watcher = await self._links.connect()
        watcher, is_well = self._watcher, False
        try:
            answer = await ask(watcher)
            is_well = True
        finally:
            if not is_well:
                await watcher.close()
        return answer
