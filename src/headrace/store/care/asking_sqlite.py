"""Asks a SQLite file how it is; writes nothing."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from headrace.store.care.care_queries import care_queries
from headrace.store.faults import StoreFault
from headrace.store.records.queries import Query
from headrace.store.sqlite_ways import fault_of, is_elsewhere

Row = dict[str, Any]

_WAIT_S: Final = 5.0
# Tables are counted no further, so that looking takes no time.
_COUNTED_MAX: Final = 100_000


class SqliteAsker:
    """A connection that may only read.

    Args:
        path: of the file, which is there.

    Attributes:
        name: the path.

    Raises:
        StoreFault: it cannot be opened.
    """

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            uri = f"{path.absolute().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(uri, uri=True, timeout=_WAIT_S)
        except sqlite3.Error as error:
            raise fault_of(error, f"{self.name} cannot be opened: {error}") from error
        self._connection.row_factory = sqlite3.Row
        self._queries = care_queries(self.dialect)

    def ask(self, query: str) -> list[Row]:
        """The rows of one of the queries in `sql/sqlite.sql`.

        Raises:
            StoreFault: it failed.
        """
        return self._rows(self._queries[f"care.{query}"].text)

    def rows_about(self, table: str) -> int | str:
        """How many rows a table has; of many, only that there are more."""
        text = f'SELECT count(*) AS found FROM (SELECT 1 FROM "{table}" LIMIT {_COUNTED_MAX + 1})'  # noqa: S608
        (row,) = self._rows(text)
        found = int(row["found"])
        return found if found <= _COUNTED_MAX else f"> {_COUNTED_MAX:,}"

    def version(self, table: str) -> int | None:
        """The newest number in a table of versions; None where it is not there."""
        try:
            (row,) = self._connection.execute(f"SELECT max(number) AS found FROM {table}")  # noqa: S608
            return int(row["found"] or 0)
        except sqlite3.Error as error:
            if is_elsewhere(error):
                return None
            raise self._fault(error) from error

    def plan(self, query: Query, *, by_index: bool = False) -> Sequence[str]:  # noqa: ARG002
        """The plan; SQLite makes one for all values."""
        values = dict.fromkeys(query.values)
        try:
            rows = self._connection.execute(f"EXPLAIN QUERY PLAN {query.text}", values).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from error
        return [str(row[3]) for row in rows]

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _rows(self, text: str) -> list[Row]:
        try:
            return [dict(row) for row in self._connection.execute(text)]
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _fault(self, error: sqlite3.Error) -> StoreFault:
        return fault_of(error, f"{self.name} failed: {error}")
