# ruff: noqa: S608  # names of tables and columns, as the database itself tells them
"""Many rows in whatever tables the records have, made by the database itself.

What a column holds goes by its name and type: times go up, keys are all different, tenants and the
like come again and again, and few rows are in a state that is not the last.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
import psycopg

START_S: Final = 1_700_000_000
# How many different values a column has, by its name; 50 by default.
_DIFFERENT: Final[Mapping[str, int]] = {
    "tenant": 200,
    "place": 3,
    "name": 100_000,
    "conversation": 10_000,
    "response": 100_000,
    "words": 5000,
}
_PENDING: Final = ("'in_progress'", "'completed'")


class Column(msgspec.Struct, frozen=True):
    """A column of a table.

    Attributes:
        name: its name.
        kind: `text`, `number`, `real`, `blob`, `flag` or `json`.
        is_unique: whether it belongs to a key.
        may_be_null: whether it may be empty.
    """

    name: str
    kind: str
    is_unique: bool
    may_be_null: bool


def fill_file(path: Path, rows: Mapping[str, int], otherwise: int) -> dict[str, int]:
    """Fill the tables of a file; returns how many rows each has.

    Args:
        path: of the file.
        rows: how many, by table.
        otherwise: how many in all others.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'headrace%'"
            " AND name NOT LIKE '%schema' AND sql LIKE 'CREATE TABLE%' AND name NOT IN"
            " (SELECT name FROM pragma_table_list WHERE type <> 'table')"
        ).fetchall()
        for (table,) in tables:
            columns = list(_columns_of_file(connection, table))
            count = rows.get(table, otherwise)
            series = (
                f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"
            )
            values = ", ".join(
                _value(column, "printf('x%012d', n)", "zeroblob(8)") for column in columns
            )
            _insert(connection, table, columns, f"{series} SELECT {values} FROM s WHERE true")
        connection.execute("ANALYZE")
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for (table,) in tables
        }


def fill_server(url: str, rows: Mapping[str, int], otherwise: int) -> dict[str, int]:
    """The same for a PostgreSQL server, by a user who may do anything."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relname LIKE 'headrace%' AND relname NOT LIKE '%schema'"
        ).fetchall()
        for (table,) in tables:
            columns = list(_columns_of_server(connection, table))
            count = rows.get(table, otherwise)
            values = ", ".join(
                _value(column, "'x' || lpad(n::text, 12, '0')", "decode(md5(n::text), 'hex')")
                for column in columns
            )
            _insert(
                connection, table, columns, f"SELECT {values} FROM generate_series(1, {count}) AS n"
            )
        connection.execute("VACUUM ANALYZE")
        return {
            table: (
                connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (0,)
            )[0]
            for (table,) in tables
        }


def _insert(
    connection: "sqlite3.Connection | psycopg.Connection[tuple[object, ...]]",
    table: str,
    columns: list[Column],
    select: str,
) -> None:
    names = ", ".join(column.name for column in columns)
    statement = f"INSERT INTO {table} ({names}) {select} ON CONFLICT DO NOTHING"
    try:
        connection.execute(statement)
    except (sqlite3.IntegrityError, psycopg.errors.CheckViolation):
        return  # a table of one row


def _value(column: Column, key: str, blob: str) -> str:
    name = column.name
    if name.endswith("_s") and column.kind in ("real", "number"):
        time = f"{START_S} + n"
        return f"CASE WHEN n % 10 = 0 THEN {time} END" if column.may_be_null else time
    if column.may_be_null and not column.is_unique:
        if column.kind != "text":
            return "NULL"
        return f"CASE WHEN n % 2 = 0 THEN '{name}' || (n % {_DIFFERENT.get(name, 50)}) END"
    match column.kind:
        case "blob":
            return blob
        case "json":
            return "'{}'"
        case "flag":
            return "n % 2 = 0"
        case "number" | "real":
            return "n" if column.is_unique else "n % 1000"
    if name in ("state", "status"):
        return f"CASE WHEN n % 500 = 0 THEN {_PENDING[0]} ELSE {_PENDING[1]} END"
    if column.is_unique and name not in _DIFFERENT:
        return key
    return f"'{name}' || (n % {_DIFFERENT.get(name, 50)})"


def _columns_of_file(connection: sqlite3.Connection, table: str) -> Iterator[Column]:
    unique = {
        row[0]
        for row in connection.execute(
            "SELECT columns.name FROM pragma_index_list(?) AS indexes,"
            ' pragma_index_info(indexes.name) AS columns WHERE indexes."unique"',
            (table,),
        )
    }
    for _, name, type_, not_null, _, key, hidden in connection.execute(
        f"PRAGMA table_xinfo({table})"
    ).fetchall():
        kinds = {"TEXT": "text", "REAL": "real", "BLOB": "blob"}
        if not hidden and not (key and type_ == "INTEGER" and name == "id"):
            kind = "json" if name in ("metadata", "terms") else kinds.get(type_, "number")
            yield Column(name, kind, bool(key) or name in unique, not not_null and not key)


def _columns_of_server(
    connection: "psycopg.Connection[tuple[object, ...]]", table: str
) -> Iterator[Column]:
    found = connection.execute(
        "SELECT attname, format_type(atttypid, NULL), attnotnull, EXISTS (SELECT 1 FROM pg_index"
        " WHERE indrelid = attrelid AND indisunique AND attnum = ANY (indkey))"
        " FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attidentity = '' AND attgenerated = ''",
        (table,),
    ).fetchall()
    kinds = {
        "text": "text",
        "double precision": "real",
        "bytea": "blob",
        "boolean": "flag",
        "jsonb": "json",
    }
    for name, type_, not_null, is_unique in found:
        kind = "json" if name in ("metadata", "terms") else kinds.get(str(type_), "number")
        yield Column(str(name), kind, bool(is_unique), not not_null)
