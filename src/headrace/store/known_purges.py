"""What a shared server knows of purges, kept here too: for processes that cannot reach it.

The server gives the numbers; here is a copy, never older than whoever wrote last. It is not the
log of `headrace.store.purges`, whose numbers are the store's own.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.dml import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite.dml import Insert as SqliteInsert

from headrace.store.answer_table import scope_digest
from headrace.store.bounds import StoreBounds
from headrace.store.crew import Crew
from headrace.store.database import Link
from headrace.store.schema import KNOWN_PURGES as K

# Stands among the scopes for the last number of all; no scope begins like this.
_LAST: Final = "#last"

READ: Final = select(K.c.scope, K.c.number)
_OUTLIVED: Final = delete(K).where(
    K.c.number <= bindparam("upto"), K.c.digest != scope_digest(_LAST)
)


class KnownPurges:
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
        self._note = _note(dialect)
        self._bounds = bounds

    async def note(self, purges: Mapping[str, int], last: int, *, outlived: int) -> None:
        """Keep purges that the server told of; older ones of the same scopes change nothing.

        Args:
            purges: scopes with their numbers.
            last: every purge up to this number was noted, now or before.
            outlived: purges up to this number concern nothing any more.
        """
        rows = [_row(scope, number) for scope, number in (*purges.items(), (_LAST, last))]

        def work(connection: Connection) -> None:
            connection.execute(self._note, rows)
            connection.execute(_OUTLIVED, {"upto": outlived})

        await self._writer.run(lambda link: link.run(work), self._bounds.write_limit_s, urgent=True)

    async def read(self) -> tuple[dict[str, int], int]:
        """The scopes with their numbers, and the number up to which none is missing; 0 where
        nothing was noted yet."""
        return await self._readers.run(lambda link: link.run(_read), self._bounds.read_limit_s)


def _read(connection: Connection) -> tuple[dict[str, int], int]:
    rows = connection.execute(READ)
    known = {bytes(scope).decode("utf-8", "surrogatepass"): int(number) for scope, number in rows}
    last = known.pop(_LAST, 0)
    return known, last


def _row(scope: str, number: int) -> dict[str, object]:
    encoded = scope.encode("utf-8", "surrogatepass")
    return {"digest": scope_digest(scope), "scope": encoded, "number": number}


def _note(dialect: str) -> SqliteInsert | PostgresInsert:
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(K).values(
        digest=bindparam("digest"), scope=bindparam("scope"), number=bindparam("number")
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[K.c.digest],
        set_={"number": new.number},
        where=K.c.number < new.number,
    )
