"""Whether a query's plan uses the index that its file names."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, Protocol

import msgspec

from headrace.store.care.findings import Finding, Section
from headrace.store.faults import StoreFault
from headrace.store.records.queries import Queries, Query

Verdict = Literal["used", "usable", "not used", "not told"]
"""`usable`: so little is in the table that reading all of it is the better plan; `not told`: the
tables are not there, or somebody has locked them."""

# What SQLite calls the indexes that belong to constraints, which have no names of their own there.
_OF_CONSTRAINT: Final = ("USING PRIMARY KEY", "USING INTEGER PRIMARY KEY", "sqlite_autoindex_")


class Planner(Protocol):
    """Tells plans without running anything."""

    @property
    def dialect(self) -> str: ...

    def plan(self, query: Query, *, by_index: bool = False) -> Sequence[str]:
        """The lines of a plan.

        Args:
            query: is not run.
            by_index: the one that is made where reading whole tables is to be avoided.
        """
        ...


class PlanCheck(msgspec.Struct, frozen=True):
    """A query, the index it has to use, and whether it does.

    Attributes:
        query: its name.
        index: the index, or several.
        verdict: whether it is used.
        plan: the lines of the plan.
    """

    query: str
    index: str
    verdict: Verdict
    plan: tuple[str, ...]


def check_plans(planner: Planner, queries: Queries) -> list[PlanCheck]:
    """How the queries that name an index find their rows."""
    return [_check(planner, query) for query in queries if query.index is not None]


def of_plans(checks: Sequence[PlanCheck], advice: str) -> Iterator[Finding]:
    """Which queries do not find their rows as they should.

    Args:
        checks: all of them.
        advice: what helps in this database.
    """
    for check in checks:
        if check.verdict == "not used":
            what = f"does not use {check.index}: {check.plan[0].strip()}"
            yield Finding(level="warning", about=check.query, what=what, advice=advice)


def plan_section(checks: Sequence[PlanCheck]) -> Section:
    """The same as a table."""
    rows = tuple((each.query, each.index, each.verdict) for each in checks)
    columns = ("query", "index", "verdict")
    return Section(title="Plans of our queries", columns=columns, rows=rows)


def _check(planner: Planner, query: Query) -> PlanCheck:
    index = query.index or ""
    try:
        plan = tuple(planner.plan(query))
        by_index = tuple(planner.plan(query, by_index=True))
    except StoreFault as fault:
        return PlanCheck(query.name, index, "not told", (fault.message,))
    if uses(plan, index, planner.dialect):
        return PlanCheck(query.name, index, "used", plan)
    if planner.dialect == "postgresql" and uses(by_index, index, planner.dialect):
        return PlanCheck(query.name, index, "usable", plan)
    return PlanCheck(query.name, index, "not used", plan)


def uses(plan: Sequence[str], index: str, dialect: str) -> bool:
    """Whether a plan uses an index: `a | b` is either of two, `a, b` both."""
    text = "\n".join(plan)
    return all(
        any(_is_named(text, name.strip(), dialect) for name in each.split("|"))
        for each in index.split(",")
    )


def _is_named(text: str, index: str, dialect: str) -> bool:
    if re.search(rf"\b{re.escape(index)}\b", text):
        return True
    is_of_constraint = index.endswith(("_pkey", "_key"))
    return dialect == "sqlite" and is_of_constraint and any(word in text for word in _OF_CONSTRAINT)
