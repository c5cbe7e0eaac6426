"""Asks a PostgreSQL server how it is; writes nothing and holds no lock."""

import re
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from headrace.errors import SettingsInvalid
from headrace.store.care.care_queries import care_queries
from headrace.store.faults import StoreFault
from headrace.store.postgres_faults import fault_of, first_line
from headrace.store.records.queries import Query

Row = dict[str, Any]

_TIMEOUT_MS: Final = 20_000
_LOCK_TIMEOUT_MS: Final = 500
_VALUE: Final = re.compile(r"%\((\w+)\)s")


class PostgresAsker:
    """A connection that may only read.

    Args:
        url: `postgresql://...`.

    Attributes:
        name: what the server is called; holds no password.

    Raises:
        SettingsInvalid: the URL cannot be read.
        StoreFault: it cannot be reached.
    """

    dialect = "postgresql"

    def __init__(self, url: str) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # The URL is not told: it may hold a password.
            raise SettingsInvalid("store.url: this is not a URL that can be read") from None
        host = given.get("host") or "localhost"
        self.name = f"{host}:{given.get('port') or 5432}/{given.get('dbname') or ''}"
        options: dict[str, Any] = {"connect_timeout": 5, "application_name": "headrace db"}
        options = {key: value for key, value in options.items() if key not in given}
        try:
            self._connection: Connection[Row] = psycopg.connect(
                url, autocommit=True, prepare_threshold=None, row_factory=dict_row, **options
            )
            self._connection.execute("SET default_transaction_read_only = on")
            self._connection.execute(f"SET statement_timeout = {_TIMEOUT_MS}")
            self._connection.execute(f"SET lock_timeout = {_LOCK_TIMEOUT_MS}")
        except psycopg.Error as error:
            raise StoreFault(f"{self.name} cannot be reached: {first_line(error)}") from error
        self._queries = care_queries(self.dialect)

    def ask(self, query: str, **values: object) -> list[Row]:
        """The rows of one of the queries in `sql/postgresql.sql`.

        Raises:
            StoreFault: it failed, or is not allowed.
        """
        text = self._queries[f"care.{query}"].text
        try:
            return self._connection.execute(text.encode(), values).fetchall()
        except psycopg.Error as error:
            raise fault_of(error, self.name) from error

    def version(self, table: str) -> int | None:
        """The newest number in a table of versions; None where it is not there."""
        statement = psycopg.sql.SQL("SELECT max(number) AS found FROM {}")
        try:
            rows = self._connection.execute(statement.format(psycopg.sql.Identifier(table)))
            return int(rows.fetchall()[0]["found"] or 0)
        except psycopg.errors.UndefinedTable:
            return None
        except psycopg.Error as error:
            raise fault_of(error, self.name) from error

    def plan(self, query: Query, *, by_index: bool = False) -> Sequence[str]:
        """The plan that is made once for all values."""
        names: list[str] = []

        def place(found: re.Match[str]) -> str:
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        text = _VALUE.sub(place, query.text).replace("%%", "%")
        values = f"({', '.join(['NULL'] * len(names))})" if names else ""
        scan = "off" if by_index else "on"
        try:
            self._connection.execute("SET plan_cache_mode = force_generic_plan")
            self._connection.execute(f"SET enable_seqscan = {scan}")
            self._connection.execute(f"PREPARE headrace_plan AS {text}".encode())
            found = self._connection.execute(f"EXPLAIN EXECUTE headrace_plan{values}".encode())
            return [str(row["QUERY PLAN"]) for row in found.fetchall()]
        except psycopg.Error as error:
            raise fault_of(error, self.name) from error
        finally:
            if not self._connection.broken:
                self._connection.execute("DEALLOCATE ALL")
                self._connection.execute("SET enable_seqscan = on")

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
