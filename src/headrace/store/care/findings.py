"""What is told of a database: tables of facts, and findings with advice."""

from typing import Literal

import msgspec

Cell = str | int | float | bool | None
Level = Literal["ok", "hint", "warning", "problem"]
"""`ok` is as it should be, `hint` may help, `warning` will hurt, `problem` has to be seen to."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was looked at.

    Attributes:
        level: how bad it is.
        about: what was looked at: a table, an index, a setting.
        what: what was found.
        advice: what to do about it.
    """

    level: Level
    about: str
    what: str
    advice: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A table of facts.

    Attributes:
        title: what they are about.
        columns: their names; `_bytes`, `_s`, `_ms`, `_share` at the end say the unit.
        rows: a cell for each column.
        note: what to know of it.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that is told of one database.

    Attributes:
        name: where it is, without a password.
        dialect: `sqlite` or `postgresql`.
        sections: facts.
        findings: the worst first.
    """

    name: str
    dialect: str
    sections: tuple[Section, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def has_problems(self) -> bool:
        """Whether anything has to be seen to."""
        return any(finding.level == "problem" for finding in self.findings)


_WORST_FIRST: tuple[Level, ...] = ("problem", "warning", "hint", "ok")


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Findings by how bad they are, otherwise in their order."""
    return tuple(sorted(findings, key=lambda each: _WORST_FIRST.index(each.level)))


def as_section(title: str, rows: list[dict[str, Cell]], columns: tuple[str, ...]) -> Section:
    """A table of some columns of rows."""
    cells = tuple(tuple(row[column] for column in columns) for row in rows)
    return Section(title=title, columns=columns, rows=cells)
