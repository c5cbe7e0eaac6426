"""Records as rooms use them: queries by name, transactions of steps, whichever database it is."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import msgspec

from headrace.store.records.queries import Queries, Query
from headrace.store.records.query_watch import QueryWatch
from headrace.store.records.roster import Standing
from headrace.store.records.sessions import NOTHING, Session, SessionTable, read_token

Values = Mapping[str, object]
Tuples = Sequence[tuple[object, ...]]
Row = dict[str, Any]

_NOTHING: Mapping[str, object] = {}
_NO_READS: Mapping[str, int] = {}


class Step(msgspec.Struct, frozen=True):
    """One statement of a transaction.

    Attributes:
        query: its name, such as `keys.add`.
        values: what is bound; of a sequence the statement is run for each, and gives no rows. Many
            rows of a query with `copy:` are tuples.
    """

    query: str
    values: Values | Sequence[Values] | Tuples = _NOTHING


class BoundStep(msgspec.Struct, frozen=True):
    """A step with its statement."""

    query: Query
    values: Values | Sequence[Values] | Tuples


class Condition(msgspec.Struct, frozen=True):
    """How records are.

    Attributes:
        used: connections in use; in SQLite what waits or runs.
        waiting: who waits for one.
        standbys: how each of them stands.
        standby_reads: how many reads went how, since the start.
    """

    used: int
    waiting: int
    standbys: tuple[Standing, ...] = ()
    standby_reads: Mapping[str, int] = _NO_READS


class RecordDriver(Protocol):
    """Knows one kind of database. Every method may raise `StoreFault`; none waits for ever."""

    @property
    def name(self) -> str: ...
    @property
    def dialect(self) -> str: ...
    async def ready(self, limit_s: float) -> None: ...
    async def fetch(self, query: Query, values: Values, session: Session | None) -> list[Row]: ...
    async def write(
        self, steps: Sequence[BoundStep], session: Session | None
    ) -> list[list[Row]]: ...
    def condition(self) -> Condition: ...
    async def close(self, limit_s: float) -> bool: ...


class Records:
    """Belongs to the loop that uses it first. Making it opens nothing, so it may be before a fork.

    Whatever is done may be done twice where a connection breaks: reads by nature, and a write must
    be such that twice is the same as once, since nobody knows whether a commit that was cut off
    took effect. Every method may raise `StoreFault`, and none waits beyond its limit.

    Args:
        driver: of the database.
        queries: in its grammar.
        watch: is told of every query; None where nobody wants to know.
        sessions: how far tenants have written, for standbys; None for a table of its own.
    """

    def __init__(
        self,
        driver: RecordDriver,
        queries: Queries,
        watch: QueryWatch | None = None,
        sessions: SessionTable | None = None,
    ) -> None:
        self._driver = driver
        self._queries = queries
        self._watch = watch
        self._sessions = SessionTable() if sessions is None else sessions
        self._brought = ContextVar("brought", default=NOTHING)

    @property
    def name(self) -> str:
        """What it is called in messages; holds no password."""
        return self._driver.name

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._driver.dialect

    async def ready(self, limit_s: float = 5.0) -> None:
        """Open it, and bring its tables to the newest version.

        Without this, the first use does it, and what failed is tried again with a later use.
        """
        await self._driver.ready(limit_s)

    def session(self, tenant: str, token: str | None = None) -> Session:
        """What has to be handed on with reads and writes for a tenant to see what it wrote.

        Args:
            tenant: its name.
            token: `Session.token` of another machine, where a client brings one.
        """
        return self._sessions.session(tenant, token)

    def bring(self, token: str) -> None:
        """Have what this task reads from now on hold what a client has seen at another machine.

        Args:
            token: `seen_token` of that machine; one that cannot be read is none. It holds nobody
                else up: where no standby is known to be there, the primary is asked at once.
        """
        self._brought.set(read_token(token))

    @property
    def seen_token(self) -> str:
        """What a client may bring to other machines; empty where no standby could be late."""
        session = self._sessions.seen(self._brought.get())
        return session.token if session.position else ""

    async def fetch(
        self, query: str, values: Values = _NOTHING, session: Session | None = None
    ) -> list[Row]:
        """The rows of a query.

        Args:
            query: its name, such as `keys.find`.
            values: what is bound.
            session: a standby may answer that has what it wrote. None asks the primary, and for
                queries that say so a standby that has all that this machine wrote.
        """
        found = self._queries[query]
        if session is None and found.may_be_standby:
            session = self._sessions.seen(self._brought.get())
        rows = self._driver.fetch(found, values, session)
        if self._watch is None:
            return await rows
        with self._watch.of(query) as look:
            told = await rows
            look.rows = len(told)
        return told

    async def write(self, *steps: Step, session: Session | None = None) -> list[list[Row]]:
        """Run statements as one transaction.

        Args:
            steps: in order.
            session: is as far as this, once it is done.

        Returns:
            The rows that each step returned.
        """
        bound = [BoundStep(self._queries[step.query], step.values) for step in steps]
        rows = self._driver.write(bound, self._sessions.machine if session is None else session)
        if self._watch is None:
            return await rows
        with self._watch.of(*(step.query for step in steps)) as look:
            found = await rows
            look.rows = sum(map(len, found))
        return found

    def condition(self) -> Condition:
        """How it is, without asking anybody."""
        return self._driver.condition()

    async def close(self, limit_s: float = 5.0) -> bool:
        """Do what waits, and let go of threads and connections.

        Returns:
            Whether all was done within the limit.
        """
        return await self._driver.close(limit_s)
