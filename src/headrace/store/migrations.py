"""The tables, as numbered steps from nothing to what this version works with.

A step that was released never changes; what has to change is a new step. Types that the two
databases call differently stand in braces.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, text

from headrace.store.faults import SchemaTooNew


class Migration(msgspec.Struct, frozen=True):
    """One step.

    Attributes:
        number: from 1 on, without gaps.
        title: what it brings.
        statements: what is run, in one transaction with the steps before and after.
    """

    number: int
    title: str
    statements: tuple[str, ...]


_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "sqlite": {
        "id": "INTEGER PRIMARY KEY",
        "number": "INTEGER",
        "blob": "BLOB",
        "real": "REAL",
        "clustered": " WITHOUT ROWID",
        "unlogged": "",
        "external": "",
        "now_ms": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    },
    "postgresql": {
        "id": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "number": "BIGINT",
        "blob": "BYTEA",
        "real": "DOUBLE PRECISION",
        "clustered": "",
        # Emptied by a crash of the server: what was given back before must not be there again.
        "unlogged": "UNLOGGED ",
        # Values come compressed: compressing them again is time for nothing.
        "external": "STORAGE EXTERNAL ",
        "now_ms": "CAST(extract(epoch FROM now()) * 1000 AS BIGINT)",
    },
}

_VERSIONS: Final = """
CREATE TABLE IF NOT EXISTS headrace_schema (
    number INTEGER PRIMARY KEY,
    title TEXT NOT NULL
)"""

MIGRATIONS: Final = (
    Migration(
        1,
        "answers",
        (
            """CREATE TABLE headrace_answers (
                id {id},
                key {blob} NOT NULL UNIQUE,
                size BIGINT NOT NULL,
                stored_s {real} NOT NULL,
                used_s {real} NOT NULL,
                expires_s {real} NOT NULL,
                worth_usd {real} NOT NULL,
                saved_usd {real} NOT NULL DEFAULT 0,
                hits BIGINT NOT NULL DEFAULT 0,
                rank {real} NOT NULL,
                value {blob} NOT NULL
            )""",
            # Who leaves next, who has expired, and what is worth warming: from the index alone.
            "CREATE INDEX headrace_answers_by_rank ON headrace_answers (rank, size, id)",
            "CREATE INDEX headrace_answers_by_expiry ON headrace_answers (expires_s, id)",
            """CREATE INDEX headrace_answers_by_saved
                ON headrace_answers (saved_usd DESC, expires_s, size, key) WHERE saved_usd > 0""",
            """CREATE TABLE headrace_answer_scopes (
                scope {blob} NOT NULL,
                answer BIGINT NOT NULL REFERENCES headrace_answers (id) ON DELETE CASCADE,
                PRIMARY KEY (scope, answer)
            ){clustered}""",
            "CREATE INDEX headrace_answer_scopes_by_answer ON headrace_answer_scopes (answer)",
            """CREATE TABLE headrace_totals (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                bytes BIGINT NOT NULL,
                entries BIGINT NOT NULL,
                age {real} NOT NULL
            )""",
            "INSERT INTO headrace_totals (id, bytes, entries, age) VALUES (1, 0, 0, 0)",
        ),
    ),
    Migration(
        2,
        "purges",
        (
            """CREATE TABLE headrace_purges (
                seq {number} PRIMARY KEY,
                scope {blob} NOT NULL,
                at_s {real} NOT NULL
            )""",
            "CREATE INDEX headrace_purges_by_time ON headrace_purges (at_s, seq)",
            """CREATE TABLE headrace_purge_count (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                latest BIGINT NOT NULL,
                forgotten BIGINT NOT NULL
            )""",
            # Tables made anew begin above every number that was given out before.
            """INSERT INTO headrace_purge_count (id, latest, forgotten)
                VALUES (1, {now_ms}, {now_ms})""",
        ),
    ),
    Migration(
        3,
        "leases",
        (
            """CREATE {unlogged}TABLE headrace_leases (
                name {blob} PRIMARY KEY NOT NULL,
                holder {blob} NOT NULL,
                expires_s {real} NOT NULL
            ){clustered}""",
            "CREATE INDEX headrace_leases_by_expiry ON headrace_leases (expires_s)",
        ),
    ),
    Migration(
        4,
        "known purges",
        (
            """CREATE TABLE headrace_known_purges (
                digest {blob} PRIMARY KEY NOT NULL,
                scope {blob} NOT NULL,
                number BIGINT NOT NULL
            ){clustered}""",
            # Old purges are found from the oldest on, by their numbers.
            "DROP INDEX headrace_purges_by_time",
        ),
    ),
)

NEWEST: Final = MIGRATIONS[-1].number


def migrate(connection: Connection, name: str, upto: int = NEWEST) -> int:
    """Bring the tables to a version; to be run in a transaction that no other process shares.

    Args:
        connection: in a transaction, holding the lock for migrations.
        name: of the database, for messages.
        upto: the version to stop at.

    Returns:
        The version they had.

    Raises:
        SchemaTooNew: a newer version of Headrace made them.
    """
    connection.execute(text(_VERSIONS))
    found: int = connection.execute(
        text("SELECT coalesce(max(number), 0) FROM headrace_schema")
    ).scalar_one()
    if found > NEWEST:
        raise SchemaTooNew(
            f"The store {name} has tables of version {found}, and this version of Headrace knows "
            f"them up to {NEWEST}. Run a newer Headrace, or let store.url name another place."
        )
    types = _TYPES[connection.dialect.name]
    for step in MIGRATIONS[found:upto]:
        for statement in step.statements:
            connection.exec_driver_sql(statement.format_map(types))
        connection.execute(
            text("INSERT INTO headrace_schema (number, title) VALUES (:number, :title)"),
            {"number": step.number, "title": step.title},
        )
    return found
