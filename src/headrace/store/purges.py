"""Which purges there were, in order: an outbox that every process reads for itself.

What a notification carries is only the news that there is something to read: a lost one costs
time, never a purge. Numbers are given out under a lock that is held until the commit, so that
whoever has read up to a number has missed none below it.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from headrace.store.bounds import StoreBounds
from headrace.store.crew import Crew
from headrace.store.database import PURGE_CHANNEL, Link
from headrace.store.rows import Purge, Purges
from headrace.store.schema import PURGE_COUNT as C
from headrace.store.schema import PURGES as P

Result = TypeVar("Result")

_PAGE: Final = 1000
# Purges that are forgotten in one go, in one transaction.
FORGOTTEN_AT_ONCE_MAX: Final = 1000
# Older ones are forgotten however young they are: what was made before them counts as purged.
_KEPT_MAX: Final = 100_000

_COUNT_ON: Final = update(C).values(latest=C.c.latest + 1).returning(C.c.latest)
_LATEST: Final = select(C.c.latest)
_ADD: Final = insert(P).values(
    seq=bindparam("seq"), scope=bindparam("scope"), at_s=bindparam("at_s")
)
COUNT: Final = select(C.c.latest, C.c.forgotten)
AFTER: Final = (
    select(P.c.seq, P.c.scope, P.c.at_s)
    .where(P.c.seq > bindparam("after"), P.c.seq <= bindparam("upto"))
    .order_by(P.c.seq)
    .limit(bindparam("limit"))
)
_FORGET: Final = (
    update(C)
    .where(C.c.forgotten < bindparam("upto"), C.c.latest >= bindparam("upto"))
    .values(forgotten=bindparam("upto"))
)
_DROP: Final = delete(P).where(P.c.seq <= bindparam("upto"))


class PurgeLog:
    """Belongs to one loop. Every method may raise `StoreFault`; none waits beyond its limit.

    Args:
        readers: threads that read.
        writer: the thread that writes.
        dialect: `sqlite` or `postgresql`.
        bounds: how long.
    """

    def __init__(
        self, readers: Crew[Link], writer: Crew[Link], dialect: str, bounds: StoreBounds
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._notifies = dialect == "postgresql"
        self._bounds = bounds

    async def publish(self, scope: str, now_s: float) -> int:
        """Announce a purge to every process.

        Args:
            scope: `all`, `tenant:NAME`, `model:PROVIDER/MODEL`, `tag:NAME` or `key:HEX`.
            now_s: wall-clock seconds.

        Returns:
            Its number.
        """
        publish = partial(self._publish, scope=scope, now_s=now_s)
        return await self._write(publish)

    async def since(self, seq: int | None) -> Purges:
        """The purges after a number.

        Args:
            seq: the last one known; None for a process that knows none yet.
        """
        return await self._readers.run(
            lambda link: link.run(partial(_since, seq=seq)), self._bounds.read_limit_s
        )

    async def forget(self, before_s: float) -> int:
        """Forget some purges that are so old that nothing made before them is left.

        Args:
            before_s: wall-clock seconds.

        Returns:
            How many; `FORGOTTEN_AT_ONCE_MAX` at most, the others wait for the next time.
        """
        return await self._write(partial(_forget, before_s=before_s))

    def _publish(self, connection: Connection, scope: str, now_s: float) -> int:
        seq: int = connection.execute(_COUNT_ON).scalar_one()
        encoded = scope.encode("utf-8", "surrogatepass")
        connection.execute(_ADD, {"seq": seq, "scope": encoded, "at_s": now_s})
        if self._notifies:
            # A notification holds 8,000 bytes at most, so it names the number alone.
            connection.execute(select(func.pg_notify(PURGE_CHANNEL, str(seq))))
        return seq

    async def _write(self, work: Callable[[Connection], Result]) -> Result:
        return await self._writer.run(
            lambda link: link.run(work), self._bounds.write_limit_s, urgent=True
        )


def latest_seq(connection: Connection) -> int:
    """Number of the last purge."""
    seq: int = connection.execute(_LATEST).scalar_one()
    return seq


def _since(connection: Connection, seq: int | None) -> Purges:
    latest, forgotten = connection.execute(COUNT).one()
    known = after = forgotten if seq is None else seq
    purges: list[Purge] = []
    while after < latest:
        page = {"after": after, "upto": latest, "limit": _PAGE}
        rows = connection.execute(AFTER, page).all()
        purges += (Purge(number, _decoded(scope), at_s) for number, scope, at_s in rows)
        after = rows[-1].seq if len(rows) == _PAGE else latest
    # Looked at last: what was forgotten while we read is missed by nobody.
    _, forgotten = connection.execute(COUNT).one()
    return Purges(latest, forgotten, tuple(purges), forgotten <= known <= latest)


def _decoded(scope: bytes) -> str:
    return bytes(scope).decode("utf-8", "surrogatepass")


def _forget(connection: Connection, before_s: float) -> int:
    latest, forgotten = connection.execute(COUNT).one()
    page = {"after": forgotten, "upto": latest, "limit": FORGOTTEN_AT_ONCE_MAX}
    rows = connection.execute(AFTER, page).all()
    old = max((row.seq for row in rows if row.at_s <= before_s), default=0)
    upto = min(max(old, latest - _KEPT_MAX), forgotten + FORGOTTEN_AT_ONCE_MAX)
    if not connection.execute(_FORGET, {"upto": upto}).rowcount:
        return 0
    return connection.execute(_DROP, {"upto": upto}).rowcount
