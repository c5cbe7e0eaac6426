"""Whether the tables and indexes of the records are there, in the version that is known here."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from headrace.store.care.findings import Finding
from headrace.store.care.relations import relations_after
from headrace.store.records.steps import load_steps

RECORDS_VERSIONS: Final = "headrace_records_schema"


def of_schema(
    dialect: str, version: int | None, relations: Sequence[dict[str, Any]]
) -> Iterator[Finding]:
    """What is missing, or too new.

    Args:
        dialect: of the database.
        version: of its tables; None where there are none.
        relations: tables and indexes that are there.
    """
    steps = load_steps(dialect)
    if version is None:
        yield Finding(
            level="warning",
            about="records",
            what="there are no tables yet",
            advice="headrace db migrate, or start the gateway",
        )
        return
    if version < len(steps):
        yield Finding(
            level="warning",
            about="records",
            what=f"tables of version {version}, and {len(steps)} is known here",
            advice="headrace db migrate, or start the gateway",
        )
    elif version > len(steps):
        yield Finding(
            level="problem",
            about="records",
            what=f"tables of version {version}, and this Headrace knows {len(steps)}",
            advice="run a newer Headrace",
        )
        return
    else:
        yield Finding(level="ok", about="records", what=f"tables of version {version}")
    there = {row["name"] for row in relations}
    for name in sorted(relations_after(steps[:version]) - there):
        yield Finding(
            level="problem",
            about=name,
            what="is missing, though its step was run",
            advice="somebody dropped it: put a copy of the database in its place",
        )
    for row in relations:
        if not row["is_valid"]:
            yield Finding(
                level="problem",
                about=row["name"],
                what="is not valid, and not used",
                advice=f"REINDEX INDEX CONCURRENTLY {row['name']}",
            )
