"""Which plans use an index, and what steps leave behind."""

from collections.abc import Sequence

import pytest

from headrace.store.care.plans import check_plans, uses
from headrace.store.care.relations import relations_after
from headrace.store.records.queries import Queries, Query
from headrace.store.records.steps import MigrationStep

PG_INDEX = ("Limit", "  ->  Index Only Scan using headrace_calls_by_tenant on headrace_calls")
PG_SEQ = ("Limit", "  ->  Seq Scan on headrace_calls")


@pytest.mark.parametrize(
    ("plan", "index", "dialect", "is_used"),
    [
        (PG_INDEX, "headrace_calls_by_tenant", "postgresql", True),
        (PG_INDEX, "headrace_calls_by_ten", "postgresql", False),
        (PG_SEQ, "headrace_calls_by_tenant", "postgresql", False),
        (PG_INDEX, "headrace_calls_by_tenant, headrace_calls_pkey", "postgresql", False),
        (PG_INDEX, "headrace_calls_pkey | headrace_calls_by_tenant", "postgresql", True),
        (("SEARCH a USING COVERING INDEX a_by_b (b=?)",), "a_by_b", "sqlite", True),
        (("SEARCH a USING INTEGER PRIMARY KEY (rowid=?)",), "a_pkey", "sqlite", True),
        (("SEARCH a USING INDEX sqlite_autoindex_a_1 (b=?)",), "a_b_key", "sqlite", True),
        (("SEARCH a USING PRIMARY KEY (b=?)",), "a_by_b", "sqlite", False),
        (("SCAN a",), "a_pkey", "sqlite", False),
    ],
)
def test_a_plan_uses_the_index_it_names(
    plan: Sequence[str], index: str, dialect: str, is_used: bool
) -> None:
    assert uses(plan, index, dialect) is is_used


class Planner:
    """Gives one plan, and another where whole tables are to be avoided."""

    def __init__(self, dialect: str, plan: Sequence[str], by_index: Sequence[str]) -> None:
        self.dialect = dialect
        self._plans = {False: plan, True: by_index}

    def plan(self, query: Query, *, by_index: bool = False) -> Sequence[str]:
        return self._plans[by_index]


@pytest.mark.parametrize(
    ("plan", "by_index", "verdict"),
    [(PG_INDEX, PG_INDEX, "used"), (PG_SEQ, PG_INDEX, "usable"), (PG_SEQ, PG_SEQ, "not used")],
)
def test_small_tables_are_told_from_missing_indexes(
    plan: Sequence[str], by_index: Sequence[str], verdict: str
) -> None:
    queries = Queries(
        "postgresql",
        [
            Query("a.hot", "x", "SELECT 1", frozenset(), index="headrace_calls_by_tenant"),
            Query("a.cold", "x", "SELECT 1", frozenset()),
        ],
    )
    (check,) = check_plans(Planner("postgresql", plan, by_index), queries)
    assert (check.query, check.verdict) == ("a.hot", verdict)


def test_what_steps_leave_behind() -> None:
    steps = [
        MigrationStep(
            1,
            "one",
            (
                "CREATE TABLE headrace_a (id INTEGER)",
                "CREATE UNIQUE INDEX headrace_a_by_id ON headrace_a (id)",
                "CREATE INDEX headrace_a_old ON headrace_a (id)",
                "INSERT INTO headrace_a VALUES (1)",
            ),
        ),
        MigrationStep(
            2,
            "two",
            (
                "DROP INDEX headrace_a_old",
                "ALTER TABLE headrace_a RENAME TO headrace_b",
                "CREATE VIRTUAL TABLE headrace_words USING fts5(text)",
            ),
        ),
    ]
    assert relations_after(steps) == {"headrace_b", "headrace_a_by_id", "headrace_words"}
