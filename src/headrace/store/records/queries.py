"""Named queries: SQL in files, with a line that says what each is for.

A file `sql/keys.sql` holds the queries `keys.NAME`:

    -- name: find [postgresql]
    -- for: what a caller may, by the digest of its key
    -- index: headrace_keys_by_digest
    -- copy: headrace_calls (id, at_s)
    SELECT ... WHERE digest = :digest;

The brackets are there where databases differ, `index:` names what its plan has to use (`a | b` for
either of two, `a, b` for both, `TABLE_pkey` for a primary key). `copy:` is for many rows: each is a
tuple of values in this order, and PostgreSQL takes them by COPY instead. `standby: yes` lets a
standby answer that has all that this machine has written: for what people look at, not for what
decides. Values are bound by `:name`.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from typing import Final

import msgspec

from headrace.store.faults import StoreFault

DIALECTS: Final = ("sqlite", "postgresql")

_PACKAGE: Final = "headrace.store.records"
_HEAD: Final = re.compile(r"-- name: ([a-z_]+)(?: \[(sqlite|postgresql)\])?\s*$")
_NOTE: Final = re.compile(r"-- (for|index|copy|standby): (.+)$")
# Quoted text stays as it is; a cast `::type` is no value.
_VALUE: Final = re.compile(r"('(?:[^']|'')*')|(?<![:\w]):([a-z_][a-z0-9_]*)")
_COPY: Final = re.compile(r"(\w+) \(([\w, ]+)\)$")


class Copy(msgspec.Struct, frozen=True):
    """Where many rows go at once.

    Attributes:
        table: its name.
        columns: what a row has, in order.
        text: the statement for one row, its values by number; empty where the driver has no need
            of it.
    """

    table: str
    columns: tuple[str, ...]
    text: str = ""


class Query(msgspec.Struct, frozen=True):
    """One statement in the grammar of one database.

    Attributes:
        name: `FILE.NAME`.
        purpose: what it is for.
        text: with values as the driver wants them.
        values: names of the values it takes.
        index: what its plan has to use; None where a look at all rows is meant.
        copy: where many rows go at once, on PostgreSQL.
        may_be_standby: whether a standby may answer it.
    """

    name: str
    purpose: str
    text: str
    values: frozenset[str]
    index: str | None = None
    copy: Copy | None = None
    may_be_standby: bool = False


class Queries:
    """All queries of one database, by name.

    Args:
        dialect: `sqlite` or `postgresql`.
        found: the queries.
    """

    def __init__(self, dialect: str, found: Iterable[Query]) -> None:
        self.dialect = dialect
        self._queries = {query.name: query for query in found}

    def __getitem__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise StoreFault(f"There is no query {name} for {self.dialect}") from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


def query_names() -> tuple[str, ...]:
    """The names of all queries that ship, whichever database they are for."""
    names = {query.name for dialect in DIALECTS for query in load_queries(dialect)}
    return tuple(sorted(names))


@lru_cache(maxsize=len(DIALECTS))
def load_queries(dialect: str) -> Queries:
    """The queries that ship, in the grammar of one database; read once.

    Args:
        dialect: `sqlite` or `postgresql`.
    """
    folder = resources.files(_PACKAGE) / "sql"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return Queries(
        dialect,
        (
            query
            for file in files
            if file.name.endswith(".sql")
            for query in parse_queries(file.name[:-4], file.read_text("utf-8"), dialect)
        ),
    )


def parse_queries(room: str, text: str, dialect: str) -> Iterator[Query]:
    """The queries of one file.

    Args:
        room: its name without ending.
        text: what it holds.
        dialect: queries for the other database are left out.

    Raises:
        ValueError: something is not as it has to be; says what and where.
    """
    seen: set[str] = set()
    for at, block in _blocks(room, text):
        head = _HEAD.match(block[0])
        if head is None:
            raise ValueError(f"{room}.sql:{at}: expected `-- name: NAME`, found {block[0]!r}")
        if head[2] not in (None, dialect):
            continue
        name = f"{room}.{head[1]}"
        if name in seen:
            raise ValueError(f"{room}.sql:{at}: {name} is there twice")
        seen.add(name)
        yield _query(name, block[1:], dialect, f"{room}.sql:{at}")


def _blocks(room: str, text: str) -> Iterator[tuple[int, list[str]]]:
    block: list[str] = []
    began = 0
    for at, line in enumerate(text.splitlines(), 1):
        if line.startswith("-- name:"):
            if block:
                yield began, block
            block, began = [line], at
        elif block:
            block.append(line)
        elif line.strip() and not line.startswith("--"):
            raise ValueError(f"{room}.sql:{at}: a statement without a name")
    if block:
        yield began, block


def _query(name: str, lines: list[str], dialect: str, where: str) -> Query:
    notes: dict[str, str] = {}
    body: list[str] = []
    for line in lines:
        note = _NOTE.match(line)
        if note:
            notes[note[1]] = note[2].strip()
        elif not line.startswith("--"):
            body.append(line)
    statement = "\n".join(body).strip().removesuffix(";")
    if not statement or "for" not in notes:
        raise ValueError(f"{where}: {name} lacks its statement or the line `-- for:`")
    copy = _copy(notes["copy"], statement, dialect, where) if "copy" in notes else None
    text, values = bind(statement, dialect)
    return Query(
        name=name,
        purpose=notes["for"],
        text=text,
        values=values,
        index=notes.get("index"),
        copy=copy,
        may_be_standby=notes.get("standby") == "yes",
    )


def _copy(note: str, statement: str, dialect: str, where: str) -> Copy:
    found = _COPY.match(note)
    if found is None:
        raise ValueError(f"{where}: expected `-- copy: TABLE (COLUMN, ...)`, found {note!r}")
    columns = tuple(column.strip() for column in found[2].split(","))
    if dialect == "postgresql":
        return Copy(found[1], columns)

    def place(value: re.Match[str]) -> str:
        return value[1] or f"?{columns.index(value[2]) + 1}"

    return Copy(found[1], columns, _VALUE.sub(place, statement))


def bind(statement: str, dialect: str) -> tuple[str, frozenset[str]]:
    """A statement as a driver wants it, and the names of its values.

    Args:
        statement: with values as `:name`.
        dialect: SQLite takes them so, psycopg as `%(name)s`.
    """
    values: set[str] = set()

    def place(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        values.add(found[2])
        return f":{found[2]}" if dialect == "sqlite" else f"%({found[2]})s"

    if dialect == "postgresql":
        statement = statement.replace("%", "%%")
    return _VALUE.sub(place, statement), frozenset(values)
