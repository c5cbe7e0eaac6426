"""What is found in what servers and files tell, and what is not."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from headrace.store.care import postgres_advice, sqlite_advice
from headrace.store.care.findings import Finding, worst_first

SERVER = {
    "version": "15.18",
    "version_number": 150018,
    "fsync": True,
    "synchronous_commit": "on",
    "autovacuum": True,
    "shared_buffers": "1GB",
    "shared_buffers_bytes": 1 << 30,
    "size_bytes": 1 << 34,
    "random_page_cost": 1.1,
    "connections_max": 100,
}
ACTIVITY = {"connections": 10, "ours": 5, "active": 1, "idle_in_transaction": 0}
TABLE = {
    "name": "headrace_calls",
    "rows": 1_000_000.0,
    "full_reads": 2,
    "full_read_rows": 2_000_000,
    "live": 1_000_000,
    "dead": 100_000,
    "analyze_s": 60.0,
    "is_vacuum_off": False,
    "age": 1000,
}
INDEX = {
    "name": "headrace_calls_by_time",
    "size_bytes": 10 << 20,
    "reads": 0,
    "is_constraint": False,
    "is_valid": True,
    "same_as": None,
}
TRAFFIC = {
    "blks_hit": 990_000,
    "blks_read": 10_000,
    "deadlocks": 0,
    "temp_files": 0,
    "temp_bytes": 0,
}
FILE = {"journal_mode": "wal", "free_pages": 0, "pages": 10_000}
STANDBY = {"name": "one", "lag_s": 0.1}
LONG_S = 30 * 86_400.0

Case = tuple[str, Callable[[], Iterable[Finding]], str | None]

CASES: tuple[Case, ...] = (
    ("a server as it should be", lambda: postgres_advice.of_server(SERVER), None),
    ("fsync", lambda: postgres_advice.of_server({**SERVER, "fsync": False}), "warning"),
    (
        "commits that do not wait",
        lambda: postgres_advice.of_server({**SERVER, "synchronous_commit": "off"}),
        "warning",
    ),
    ("autovacuum", lambda: postgres_advice.of_server({**SERVER, "autovacuum": False}), "warning"),
    (
        "an old version",
        lambda: postgres_advice.of_server({**SERVER, "version_number": 120000}),
        "problem",
    ),
    (
        "little memory",
        lambda: postgres_advice.of_server({**SERVER, "shared_buffers_bytes": 1 << 20}),
        "hint",
    ),
    (
        "a small database needs little memory",
        lambda: postgres_advice.of_server(
            {**SERVER, "shared_buffers_bytes": 1 << 24, "size_bytes": 1 << 20}
        ),
        None,
    ),
    ("connections", lambda: postgres_advice.of_connections(ACTIVITY, SERVER, 5), None),
    (
        "few connections left",
        lambda: postgres_advice.of_connections({**ACTIVITY, "connections": 80}, SERVER, 5),
        "warning",
    ),
    (
        "a pool at work",
        lambda: postgres_advice.of_connections({**ACTIVITY, "active": 5}, SERVER, 5),
        "hint",
    ),
    (
        "idle in a transaction",
        lambda: postgres_advice.of_connections({**ACTIVITY, "idle_in_transaction": 1}, SERVER, 9),
        "warning",
    ),
    ("a table as it should be", lambda: postgres_advice.of_tables([TABLE]), None),
    (
        "a table that is read whole",
        lambda: postgres_advice.of_tables(
            [{**TABLE, "full_reads": 100, "full_read_rows": 100_000_000}]
        ),
        "warning",
    ),
    (
        "a small table may be read whole",
        lambda: postgres_advice.of_tables(
            [{**TABLE, "rows": 50.0, "full_reads": 10_000, "full_read_rows": 500_000}]
        ),
        None,
    ),
    ("dead rows", lambda: postgres_advice.of_tables([{**TABLE, "dead": 300_000}]), "warning"),
    ("no numbers", lambda: postgres_advice.of_tables([{**TABLE, "analyze_s": None}]), "hint"),
    (
        "vacuum off",
        lambda: postgres_advice.of_tables([{**TABLE, "is_vacuum_off": True}]),
        "warning",
    ),
    ("an old table", lambda: postgres_advice.of_tables([{**TABLE, "age": 1 << 30}]), "problem"),
    ("an unused index", lambda: postgres_advice.of_indexes([INDEX], LONG_S), "hint"),
    ("counted a short time", lambda: postgres_advice.of_indexes([INDEX], 60.0), None),
    ("a used one", lambda: postgres_advice.of_indexes([{**INDEX, "reads": 1}], LONG_S), None),
    (
        "a constraint is used by writing",
        lambda: postgres_advice.of_indexes([{**INDEX, "is_constraint": True}], LONG_S),
        None,
    ),
    (
        "an invalid one",
        lambda: postgres_advice.of_indexes([{**INDEX, "is_valid": False}], 0.0),
        "problem",
    ),
    (
        "one that stands twice",
        lambda: postgres_advice.of_indexes([{**INDEX, "same_as": "other", "reads": 5}], 0.0),
        "warning",
    ),
    ("traffic", lambda: postgres_advice.of_traffic(TRAFFIC), None),
    (
        "much from disk",
        lambda: postgres_advice.of_traffic({**TRAFFIC, "blks_read": 500_000}),
        "hint",
    ),
    ("deadlocks", lambda: postgres_advice.of_traffic({**TRAFFIC, "deadlocks": 1}), "hint"),
    ("sorting on disk", lambda: postgres_advice.of_traffic({**TRAFFIC, "temp_files": 1}), "hint"),
    ("standbys", lambda: postgres_advice.of_standbys([STANDBY], [], 1), None),
    ("a missing standby", lambda: postgres_advice.of_standbys([STANDBY], [], 2), "warning"),
    (
        "a late standby",
        lambda: postgres_advice.of_standbys([{**STANDBY, "lag_s": 60.0}], [], 1),
        "warning",
    ),
    (
        "a slot that nobody uses",
        lambda: postgres_advice.of_standbys(
            [], [{"name": "s", "active": False, "kept_bytes": 2.0**31}], 0
        ),
        "problem",
    ),
    (
        "a slot in use",
        lambda: postgres_advice.of_standbys(
            [], [{"name": "s", "active": True, "kept_bytes": 2.0**31}], 0
        ),
        None,
    ),
    ("a file as it should be", lambda: sqlite_advice.of_file(FILE, 0, "f"), None),
    (
        "another journal",
        lambda: sqlite_advice.of_file({**FILE, "journal_mode": "delete"}, 0, "f"),
        "hint",
    ),
    ("an empty file", lambda: sqlite_advice.of_file({**FILE, "free_pages": 9000}, 0, "f"), "hint"),
    ("a long log", lambda: sqlite_advice.of_file(FILE, 1 << 30, "f"), "warning"),
    ("never analysed", lambda: sqlite_advice.of_numbers(0, 1_000_000), "hint"),
    ("little to analyse", lambda: sqlite_advice.of_numbers(0, 10), None),
    ("damage", lambda: sqlite_advice.of_integrity(["row 7 missing"], [], "f"), "problem"),
)


@pytest.mark.parametrize(("find", "level"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_what_is_found(find: Callable[[], Iterable[Finding]], level: str | None) -> None:
    found = list(find())
    assert [each.level for each in found] == ([] if level is None else [level])
    assert all(each.advice for each in found)


@pytest.mark.parametrize(
    ("has", "advice"),
    [
        ({"is_available": False, "is_loaded": False, "is_made": False}, "contrib"),
        ({"is_available": True, "is_loaded": False, "is_made": False}, "shared_preload_libraries"),
        ({"is_available": True, "is_loaded": True, "is_made": False}, "CREATE EXTENSION"),
        ({"is_available": True, "is_loaded": True, "is_made": True}, None),
    ],
)
def test_how_to_have_statements_counted(has: dict[str, Any], advice: str | None) -> None:
    found = list(postgres_advice.of_statement_counts(has))
    assert (not found) if advice is None else advice in found[0].advice


def test_the_worst_comes_first() -> None:
    levels = ("ok", "problem", "hint", "warning", "problem")
    found = [Finding(level=each, about=str(at), what="") for at, each in enumerate(levels)]  # type: ignore[arg-type]
    assert [each.about for each in worst_first(found)] == ["1", "4", "3", "2", "0"]
