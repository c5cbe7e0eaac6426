"""Each query that names an index finds its rows by it, in both databases, of however many."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.filling import fill_file, fill_server
from tests.support.postgres import Databases, PostgresServer, find_binaries

from headrace.store.care.asking_postgres import PostgresAsker
from headrace.store.care.asking_sqlite import SqliteAsker
from headrace.store.care.place import CarePlace
from headrace.store.care.plans import PlanCheck, check_plans
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.queries import load_queries

pytestmark = pytest.mark.heavy_on_postgresql

Asker = PostgresAsker | SqliteAsker

# Tables that grow with every call have this many rows, all others fewer.
MANY = 1_000_000
GROWING = ("headrace_calls", "headrace_items")
OTHERS_SHARE = 0.05
FEW = 5000
LARGE = {"shared_buffers": "256MB", "max_wal_size": "4GB", "autovacuum": "off"}


def filled(dialect: str, url: str, folder: Path, count: int) -> Asker:
    """Records with many rows, and who asks for plans."""
    CarePlace(url=url, folder=folder).migrate(lambda _: None)
    rows = dict.fromkeys(GROWING, count)
    others = max(FEW, round(count * OTHERS_SHARE))
    if dialect == "sqlite":
        held = fill_file(folder / RECORDS_FILE, rows, others)
    else:
        held = fill_server(url, rows, others)
    assert held["headrace_calls"] == count
    assert max(held.values()) == count
    return SqliteAsker(folder / RECORDS_FILE) if dialect == "sqlite" else PostgresAsker(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(dialect: str, request: pytest.FixtureRequest) -> Iterator[str]:
    if dialect == "sqlite":
        yield "sqlite"
        return
    if request.node.get_closest_marker("heavy") is None:
        databases: Databases = request.getfixturevalue("databases")
        with databases.fresh() as found:
            yield found
        return
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here")
    server = PostgresServer(binaries, LARGE)
    try:
        server.start()
        yield server.url
    finally:
        server.close()


def complaints(checks: list[PlanCheck], *allowed: str) -> list[str]:
    return [
        "\n  ".join((f"{each.query}: {each.verdict}: {each.index}", *each.plan))
        for each in checks
        if each.verdict not in allowed
    ]


def check(dialect: str, url: str, folder: Path, count: int, *allowed: str) -> None:
    asker = filled(dialect, url, folder, count)
    try:
        checks = check_plans(asker, load_queries(dialect))
    finally:
        asker.close()
    assert len(checks) > 5
    found = complaints(checks, *allowed)
    assert not found, "\n".join(found)


def test_with_few_rows(dialect: str, url: str, tmp_path: Path) -> None:
    # A server may read small tables as a whole.
    check(dialect, url, tmp_path, FEW, "used", "usable")


def test_a_file_without_statistics(tmp_path: Path) -> None:
    # As nearly every file is: the planner knows of no index how much it leaves out.
    CarePlace(url="sqlite", folder=tmp_path).migrate(lambda _: None)
    asker = SqliteAsker(tmp_path / RECORDS_FILE)
    try:
        found = complaints(check_plans(asker, load_queries("sqlite")), "used")
    finally:
        asker.close()
    assert not found, "\n".join(found)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_with_a_million_rows(dialect: str, url: str, tmp_path: Path) -> None:
    check(dialect, url, tmp_path, MANY, "used")


def test_every_index_that_is_named_is_one(dialect: str, url: str, tmp_path: Path) -> None:
    CarePlace(url=url, folder=tmp_path).migrate(lambda _: None)
    asker = PostgresAsker(url) if dialect == "postgresql" else SqliteAsker(tmp_path / RECORDS_FILE)
    try:
        there = asker.ask("relations")
    finally:
        asker.close()
    indexes = {row["name"] for row in there if row["kind"] == "index"}
    # SQLite's primary keys have no names of their own.
    indexes |= {f"{row['name']}_pkey" for row in there if row["kind"] == "table"}
    named = {
        name.strip()
        for query in load_queries(dialect)
        for name in (query.index or "").replace("|", ",").split(",")
        if name.strip()
    }
    assert named <= indexes
