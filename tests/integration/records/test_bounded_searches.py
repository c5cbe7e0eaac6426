"""A search for what there is none of looks at no more rows than its bound, of however many."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row
from tests.support.filling import START_S, fill_file, fill_server
from tests.support.postgres import PostgresServer, find_binaries

from headrace.store.care.place import CarePlace
from headrace.store.ledger.usage import NAMES
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.queries import load_queries

MANY, WALK = 300_000, 2000
# Opcodes of SQLite's machine for each row that is looked at, generously.
OPCODES_A_ROW = 100
CALLS: dict[str, Any] = {
    **dict.fromkeys(NAMES.values()),
    "provider": "nobody",
    "status": None,
    "first_s": START_S,
    "end_s": START_S + 10 * MANY,
    "limit": 26,
}
JOBS: dict[str, Any] = {"kind": "rare", "queue": "", "limit": 26}
IN_STATE = {"state": "completed"}


class House:
    """Records with many rows of a database, and how many of them a query looks at."""

    def __init__(self, dialect: str, connection: Any) -> None:
        self._queries = load_queries(dialect)
        self._is_file = dialect == "sqlite"
        self._connection = connection

    def rows(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        query = self._queries[name]
        taken = {each: values[each] for each in query.values}
        found: list[tuple[Any, ...]] = self._connection.execute(query.text, taken).fetchall()
        return found

    def looked_at(self, name: str, values: Mapping[str, Any]) -> float:
        """How many rows a query that finds none looks at."""
        if self._is_file:
            return self._opcodes(name, values) / OPCODES_A_ROW
        query = self._queries[name]
        taken = {each: values[each] for each in query.values}
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {query.text}"
        ((plan,),) = self._connection.execute(explain, taken).fetchall()
        return _rows_read(plan[0]["Plan"])

    def _opcodes(self, name: str, values: Mapping[str, Any]) -> int:
        steps, each = 0, 100

        def count() -> int:
            nonlocal steps
            steps += each
            return 0

        self._connection.set_progress_handler(count, each)
        try:
            assert self.rows(name, values) == []
        finally:
            self._connection.set_progress_handler(None, 0)
        return steps


def _rows_read(plan: dict[str, Any]) -> float:
    below = sum(_rows_read(each) for each in plan.get("Plans", ()))
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    return float(below + removed + ("Relation Name" in plan) * plan["Actual Rows"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    rows = {"headrace_calls": MANY, "headrace_jobs": MANY}
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("bounded")
        CarePlace(url="sqlite", folder=folder).migrate(lambda _: None)
        fill_file(folder / RECORDS_FILE, rows, 10)
        with closing(sqlite3.connect(folder / RECORDS_FILE)) as file:
            yield House("sqlite", file)
        return
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here")
    server = PostgresServer(binaries, {"shared_buffers": "128MB", "autovacuum": "off"})
    try:
        server.start()
        CarePlace(url=server.url, folder=Path()).migrate(lambda _: None)
        fill_server(server.url, rows, 10)
        with psycopg.connect(server.url, autocommit=True, row_factory=tuple_row) as connection:
            yield House("postgresql", connection)
    finally:
        server.close()


def assert_bounded(
    house: House, reach: str, search: str, values: dict[str, Any], free: dict[str, Any]
) -> None:
    """Without its bound a search looks at many rows; with it, at few."""
    (reached,) = house.rows(reach, {**values, "walk": WALK})
    bound = {"reach": reached[0]}
    if search.startswith("ledger"):
        is_new = "new" in search
        bound |= {"reach_s": reached[1]}
        bound |= {"first_s": reached[1]} if is_new else {"end_s": reached[1] + 1e-3}
    few = house.looked_at(search, {**values, **bound})
    assert few <= 1.5 * WALK + 100
    assert house.looked_at(search, {**values, **free}) > 10 * few


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("state", [{}, IN_STATE], ids=["any", "state"])
@pytest.mark.parametrize("way", ["down", "up"])
def test_jobs_of_a_rare_kind(house: House, way: str, state: dict[str, str]) -> None:
    name = f"all_{'state_' if state else ''}{way}"
    begin, end = ("z", "") if way == "down" else ("", "z")
    values = {**JOBS, **state, "after": begin}
    assert_bounded(house, f"jobs.reach_{name}", f"jobs.{name}", values, {"reach": end})


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["new", "old"])
def test_calls_of_a_provider_that_was_never_asked(house: House, way: str) -> None:
    end_s = -1e18 if way == "new" else 1e18
    values = {**CALLS, "at_s": -end_s, "id": ""}
    free = {"reach_s": end_s, "reach": ""}
    assert_bounded(house, f"ledger.reach_{way}", f"ledger.calls_{way}", values, free)
