"""Records as rooms use them: queries by name, transactions of steps, whichever database it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from headrace.store.records.queries import Queries, Query

Values = Mapping[str, object]
Row = dict[str, Any]

_NOTHING: Mapping[str, object] = {}


class Step(msgspec.Struct, frozen=True):
    """One statement of a transaction.

    Attributes:
        query: its name, such as `keys.add`.
        values: what is bound; of a sequence the statement is run for each, and gives no rows.
    """

    query: str
    values: Values | Sequence[Values] = _NOTHING


class BoundStep(msgspec.Struct, frozen=True):
    """A step with its statement."""

    query: Query
    values: Values | Sequence[Values]


class RecordDriver(Protocol):
    """Knows one kind of database. Every method may raise `StoreFault`; none waits for ever."""

    @property
    def name(self) -> str: ...
    @property
    def dialect(self) -> str: ...
    async def ready(self, limit_s: float) -> None: ...
    async def fetch(self, query: Query, values: Values) -> list[Row]: ...
    async def write(self, steps: Sequence[BoundStep]) -> list[list[Row]]: ...
    async def close(self, limit_s: float) -> bool: ...


class Records:
    """Belongs to the loop that uses it first. Making it opens nothing, so it may be before a fork.

    Whatever is done may be done twice where a connection breaks: reads by nature, and a write must
    be such that twice is the same as once, since nobody knows whether a commit that was cut off
    took effect. Every method may raise `StoreFault`, and none waits beyond its limit.

    Args:
        driver: of the database.
        queries: in its grammar.
    """

    def __init__(self, driver: RecordDriver, queries: Queries) -> None:
        self._driver = driver
        self._queries = queries

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

    async def fetch(self, query: str, values: Values = _NOTHING) -> list[Row]:
        """The rows of a query.

        Args:
            query: its name, such as `keys.find`.
            values: what is bound.
        """
        return await self._driver.fetch(self._queries[query], values)

    async def write(self, *steps: Step) -> list[list[Row]]:
        """Run statements as one transaction.

        Args:
            steps: in order.

        Returns:
            The rows that each step returned.
        """
        return await self._driver.write(
            [BoundStep(self._queries[step.query], step.values) for step in steps]
        )

    async def close(self, limit_s: float = 5.0) -> bool:
        """Do what waits, and let go of threads and connections.

        Returns:
            Whether all was done within the limit.
        """
        return await self._driver.close(limit_s)
