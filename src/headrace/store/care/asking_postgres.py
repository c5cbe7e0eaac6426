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
_WORD: Final = re.compile(r"\w+")
_NUMBERS: Final = ("smallint", "integer", "bigint", "real", "double precision", "numeric")
_TEXTS: Final = ("text", "character varying", "name")
_A_TIME_S: Final = 1_700_000_000
_A_NUMBER: Final = 20
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
        self._parents: dict[str, str] | None = None

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
        scan = "off" if by_index else "on"
        try:
            self._connection.execute("SET plan_cache_mode = force_generic_plan")
            self._connection.execute(f"SET enable_seqscan = {scan}")
            self._connection.execute(f"PREPARE headrace_plan AS {text}".encode())
            types = self.ask("prepared")[0]["types"]
            values = ", ".join(map(_some_value, names, types))
            given = f"({values})" if names else ""
            found = self._connection.execute(f"EXPLAIN EXECUTE headrace_plan{given}".encode())
            return [self._with_parents(str(row["QUERY PLAN"])) for row in found.fetchall()]
        except psycopg.Error as error:
            raise fault_of(error, self.name) from error
        finally:
            if not self._connection.broken:
                self._connection.execute("DEALLOCATE ALL")
                self._connection.execute("SET enable_seqscan = on")

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _with_parents(self, line: str) -> str:
        """A line of a plan in which indexes of partitions are called what their table's is."""
        if self._parents is None:
            self._parents = {row["name"]: row["parent"] for row in self.ask("partition_indexes")}
        parents = self._parents
        return _WORD.sub(lambda found: parents.get(found[0], found[0]), line)


def _some_value(name: str, type_: str) -> str:
    """A value as SQL, to plan by: partitions are left out for what no row has."""
    if type_ == "boolean":
        return "true"
    if type_ in _NUMBERS:
        return str(_A_TIME_S if name.endswith("_s") else _A_NUMBER)
    return "NULL" if type_ not in _TEXTS else "'x'"
