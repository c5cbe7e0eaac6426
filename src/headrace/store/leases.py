"""Leases: of all processes that want to do the same work, one does it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import Connection, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from headrace.store.bounds import StoreBounds
from headrace.store.crew import Crew
from headrace.store.database import Link
from headrace.store.rows import KEY_BYTES_MAX
from headrace.store.schema import LEASES as L

Result = TypeVar("Result")

LEASE_S_MAX: Final = 600.0
_EXPIRED_BATCH: Final = 256
_EXTENDED_BATCH: Final = 128

_RELEASE: Final = delete(L).where(
    L.c.name == bindparam("of_name"), L.c.holder == bindparam("of_holder")
)
_EXTEND: Final = (
    update(L)
    .where(L.c.name == bindparam("of_name"), L.c.holder == bindparam("of_holder"))
    .values(expires_s=bindparam("until_s"))
)
OLD: Final = select(L.c.name).where(L.c.expires_s <= bindparam("now_s")).limit(bindparam("limit"))
_EXPIRE: Final = delete(L).where(
    L.c.name.in_(bindparam("names", expanding=True)), L.c.expires_s <= bindparam("now_s")
)


class LeaseTable:
    """Belongs to one loop. Every method may raise `StoreFault`; none waits beyond its limit.

    A lease keeps others away for a while and promises nothing more: a holder that is late may
    find that somebody else has begun, and clocks of machines may differ.

    Args:
        writer: the thread that writes.
        dialect: `sqlite` or `postgresql`.
        bounds: how long.
    """

    def __init__(self, writer: Crew[Link], dialect: str, bounds: StoreBounds) -> None:
        self._writer = writer
        self._bounds = bounds
        self._take = _take(dialect)

    async def try_lease(self, name: bytes, holder: bytes, seconds: float, now_s: float) -> bool:
        """Take a lease that nobody holds, or hold one's own for longer.

        Args:
            name: of the work, up to `KEY_BYTES_MAX` bytes.
            holder: who wants it; different for everyone who may want it.
            seconds: after which it is anybody's; up to `LEASE_S_MAX`.
            now_s: wall-clock seconds.

        Returns:
            Whether it is the holder's now.

        Raises:
            ValueError: the name or the time is too long.
        """
        if len(name) > KEY_BYTES_MAX:
            raise ValueError(f"the name of a lease has up to {KEY_BYTES_MAX} bytes")
        if not 0 < seconds <= LEASE_S_MAX:
            raise ValueError(f"a lease lasts up to {LEASE_S_MAX:g} s")
        wanted = {
            "name": name,
            "holder": holder,
            "expires_s": now_s + seconds,
            "now_s": now_s,
            "horizon_s": now_s + LEASE_S_MAX,
        }
        take = self._take
        taken = await self._write(lambda connection: connection.execute(take, wanted).first())
        return taken is not None

    async def extend(self, held: Mapping[bytes, bytes], seconds: float, now_s: float) -> None:
        """Hold leases for longer; those that are somebody else's by now stay theirs.

        Args:
            held: names with their holders.
            seconds: after which they are anybody's; up to `LEASE_S_MAX`.
            now_s: wall-clock seconds.
        """
        rows = [
            {"of_name": name, "of_holder": holder, "until_s": now_s + min(seconds, LEASE_S_MAX)}
            for name, holder in sorted(held.items())
        ]
        for start in range(0, len(rows), _EXTENDED_BATCH):
            batch = rows[start : start + _EXTENDED_BATCH]
            await self._write(partial(_extend, rows=batch))

    async def release(self, name: bytes, holder: bytes) -> bool:
        """Give a lease back; returns whether the holder had it."""
        held = {"of_name": name, "of_holder": holder}
        return await self._write(lambda connection: connection.execute(_RELEASE, held).rowcount > 0)

    async def expire_batch(self, now_s: float) -> int:
        """Forget some leases that nobody gave back; returns how many."""
        return await self._write(partial(_expire, now_s=now_s))

    async def _write(self, work: Callable[[Connection], Result]) -> Result:
        return await self._writer.run(
            lambda link: link.run(work), self._bounds.write_limit_s, urgent=True
        )


def _take(dialect: str) -> ReturningInsert[tuple[bytes]]:
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(L).values(
        name=bindparam("name"), holder=bindparam("holder"), expires_s=bindparam("expires_s")
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[L.c.name],
        set_={"holder": new.holder, "expires_s": new.expires_s},
        where=or_(
            L.c.expires_s <= bindparam("now_s"),
            # Nobody takes one for so long: the clock was set back since.
            L.c.expires_s > bindparam("horizon_s"),
            L.c.holder == new.holder,
        ),
    ).returning(L.c.name)


def _extend(connection: Connection, rows: list[dict[str, object]]) -> None:
    connection.execute(_EXTEND, rows)


def _expire(connection: Connection, now_s: float) -> int:
    names = connection.execute(OLD, {"now_s": now_s, "limit": _EXPIRED_BATCH}).scalars().all()
    if not names:
        return 0
    return connection.execute(_EXPIRE, {"names": names, "now_s": now_s}).rowcount
