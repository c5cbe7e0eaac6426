"""The tables of records, as numbered steps in files, from nothing to what this version knows.

A step that was released never changes. `{id}` and the like are types that the databases call
differently; `-- only: sqlite` stands before a statement for one of them.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Final

import msgspec

from headrace.store.faults import SchemaTooNew

_PACKAGE: Final = "headrace.store.records"
_FILE: Final = re.compile(r"(\d{4})_([a-z_]+)\.sql$")
_ONLY: Final = re.compile(r"-- only: (sqlite|postgresql)\s*$")
_TYPE: Final = re.compile(r"\{([a-z_]+)\}")

_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "sqlite": {
        "id": "INTEGER PRIMARY KEY",
        "number": "INTEGER",
        "blob": "BLOB",
        "real": "REAL",
        "flag": "INTEGER",
        "json": "TEXT",
        "clustered": " WITHOUT ROWID",
    },
    "postgresql": {
        "id": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "number": "BIGINT",
        "blob": "BYTEA",
        "real": "DOUBLE PRECISION",
        "flag": "BOOLEAN",
        "json": "JSONB",
        "clustered": "",
    },
}

_VERSIONS: Final = """CREATE TABLE IF NOT EXISTS headrace_records_schema (
    number INTEGER PRIMARY KEY,
    title TEXT NOT NULL
)"""
_FOUND: Final = "SELECT coalesce(max(number), 0) FROM headrace_records_schema"
_IS_THERE: Final[Mapping[str, str]] = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = 'headrace_records_schema'",
    "postgresql": "SELECT to_regclass('headrace_records_schema') IS NOT NULL",
}
_BEGIN: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": ("BEGIN IMMEDIATE",),
    "postgresql": (
        "BEGIN",
        # Making an index may take longer than any statement of a request.
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = '60s'",
        # Who is frozen in the middle must not keep all others from starting.
        "SET LOCAL idle_in_transaction_session_timeout = '60s'",
        # Those who migrate at once take turns by "hr-recor", in ASCII.
        f"SELECT pg_advisory_xact_lock({0x68722D7265636F72})",
    ),
}

# Gives statements to run, one after the other, and takes the rows of each; ends with the version
# that was found.
Migration = Generator[str, Sequence[Sequence[Any]], int]


class MigrationStep(msgspec.Struct, frozen=True):
    """One step.

    Attributes:
        number: from 1 on, without gaps.
        title: what it brings.
        statements: in the grammar of one database.
    """

    number: int
    title: str
    statements: tuple[str, ...]


Tell = Callable[[MigrationStep], None]


def load_steps(dialect: str) -> tuple[MigrationStep, ...]:
    """The steps that ship, in order.

    Args:
        dialect: `sqlite` or `postgresql`.

    Raises:
        ValueError: a number is missing or there twice.
    """
    folder = resources.files(_PACKAGE) / "migrations"
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name = _FILE.match(file.name)
        if name:
            statements = tuple(split_statements(file.read_text("utf-8"), dialect))
            found.append(MigrationStep(int(name[1]), name[2].replace("_", " "), statements))
    numbers = [step.number for step in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations are not numbered without gaps: {numbers}")
    return tuple(found)


def split_statements(text: str, dialect: str) -> Iterator[str]:
    """The statements of a file for one database.

    A statement ends with a line that ends in `;`. A trigger ends with `END;`, and what stands
    between two `$$` is not looked into.
    """
    lines: list[str] = []
    only: str | None = None
    for line in text.splitlines():
        mark = _ONLY.match(line)
        if mark:
            only = mark[1]
        elif not line.startswith("--") and (line.strip() or lines):
            lines.append(line)
            if _is_end(lines):
                if only in (None, dialect):
                    yield _typed("\n".join(lines).strip().removesuffix(";"), dialect)
                lines, only = [], None
    if lines:
        raise ValueError(f"a statement without its end: {lines[0]!r}")


def _is_end(lines: list[str]) -> bool:
    last = lines[-1].rstrip()
    if not last.endswith(";") or sum(line.count("$$") for line in lines) % 2:
        return False
    return not lines[0].upper().startswith("CREATE TRIGGER") or last.upper() == "END;"


def _typed(statement: str, dialect: str) -> str:
    types = _TYPES[dialect]
    return _TYPE.sub(lambda found: types.get(found[1], found[0]), statement)


def migration(
    dialect: str, name: str, upto: int | None = None, tell: Tell | None = None
) -> Migration:
    """Bring the tables to a version; nothing is written where they have it.

    Whoever runs it, on a connection that begins no transactions of its own, rolls back what failed.

    Args:
        dialect: of the database.
        name: of the database, for messages.
        upto: the version to stop at; the newest by default.
        tell: told of each step before it runs.

    Raises:
        SchemaTooNew: a newer version of Headrace made them.
    """
    steps = load_steps(dialect)[:upto]
    found = yield from _version(dialect)
    if found < len(steps):
        for statement in (*_BEGIN[dialect], _VERSIONS):
            yield statement
        # Somebody else may have been faster.
        for step in steps[(yield from _version(dialect)) :]:
            if tell is not None:
                tell(step)
            for statement in step.statements:
                yield statement
            yield (
                "INSERT INTO headrace_records_schema (number, title) "  # noqa: S608  # of our own
                f"VALUES ({step.number}, '{step.title}')"
            )
        yield "COMMIT"
    elif upto is None and found > len(steps):
        raise SchemaTooNew(
            f"The store {name} has tables of version {found}, and this version of Headrace knows "
            f"them up to {len(steps)}. Run a newer Headrace, or let store.url name another place."
        )
    return found


def _version(dialect: str) -> Migration:
    is_there = yield _IS_THERE[dialect]
    if not is_there or not is_there[0][0]:
        return 0
    rows = yield _FOUND
    return int(rows[0][0])
