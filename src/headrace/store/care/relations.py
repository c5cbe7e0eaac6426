"""Which tables and indexes there have to be, by the steps that make them."""

import re
from collections.abc import Iterable
from typing import Final

from headrace.store.records.steps import MigrationStep

_MADE: Final = re.compile(
    r"CREATE (?:UNIQUE |UNLOGGED |VIRTUAL )?(?:TABLE|INDEX) (?:IF NOT EXISTS )?(\w+)"
)
_DROPPED: Final = re.compile(r"DROP (?:TABLE|INDEX) (?:IF EXISTS )?(\w+)")
_RENAMED: Final = re.compile(r"ALTER (?:TABLE|INDEX) (\w+)\s+RENAME TO (\w+)")


def relations_after(steps: Iterable[MigrationStep]) -> set[str]:
    """Names of the tables and indexes that steps leave behind."""
    there: set[str] = set()
    for step in steps:
        for statement in step.statements:
            if made := _MADE.match(statement):
                there.add(made[1])
            elif dropped := _DROPPED.match(statement):
                there.discard(dropped[1])
            elif renamed := _RENAMED.match(statement):
                there.discard(renamed[1])
                there.add(renamed[2])
    return there
