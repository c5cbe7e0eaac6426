"""What `headrace db` tells of real databases, well and ill."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests.support import headrace_process
from tests.support.postgres import PostgresServer, find_binaries
from tests.support.stores import ROOT, Place
from tests.support.waiting import eventually

from headrace.store.care.findings import Report
from headrace.store.care.place import CarePlace, Subject
from headrace.store.journal.journal import segment_paths
from headrace.store.ledger.refused import LEDGER_FOLDER, put_aside
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.steps import load_steps

pytestmark = pytest.mark.heavy_on_postgresql

SUBJECTS: tuple[Subject, ...] = ("status", "check", "diagnose")
NEWEST = len(load_steps("sqlite"))


def care(place: Place) -> CarePlace:
    return CarePlace(url=place.url, folder=place.folder)


def migrated(place: Place) -> CarePlace:
    found: list[int] = []
    care(place).migrate(lambda step: found.append(step.number))
    assert found == list(range(1, NEWEST + 1))
    return care(place)


def told(report: Report, about: str) -> list[tuple[str, str]]:
    return [(each.level, each.what) for each in report.findings if each.about == about]


def titles(report: Report) -> set[str]:
    return {section.title for section in report.sections}


def in_place(place: Place, statement: str) -> None:
    """Do something beside the store."""
    if place.dialect == "sqlite":
        with closing(sqlite3.connect(place.folder / RECORDS_FILE)) as file, file:
            file.execute(statement)
    else:
        with psycopg.connect(place.url, autocommit=True) as server:
            server.execute(statement.encode())


def test_from_nothing_to_a_store_that_is_whole(place: Place) -> None:
    before = care(place).report("status")
    assert [each.level for each in before.findings] == ["warning"]
    after = migrated(place)
    assert told(after.report("status"), "records") == [("ok", f"tables of version {NEWEST}")]
    assert not after.report("check").has_problems
    assert "Tables" in titles(after.report("status"))
    found: list[int] = []
    after.migrate(lambda step: found.append(step.number))
    assert found == []


def test_rows_that_were_refused_are_told_and_tried_again(place: Place) -> None:
    at, journal = migrated(place), place.folder / LEDGER_FOLDER
    journal.mkdir()
    put_aside(journal / "a.journal", [b"one", b"two"])
    for subject in SUBJECTS:
        ((level, what),) = told(at.report(subject), "ledger")
        assert (level, what.split()[0]) == ("problem", "2")
    done = headrace_process.run(
        "db", "retry", "--data-dir", str(place.folder), environment={"PATH": "/usr/bin"}
    )
    assert (done.returncode, done.stdout) == (0, "2 rows are in the journal again\n")
    assert told(at.report("check"), "ledger") == []
    assert len(segment_paths(journal)) == 1
    assert at.retry_rows() == 0


@pytest.mark.parametrize("subject", ["status", "check", "diagnose"])
def test_what_is_missing_is_told(place: Place, subject: Subject) -> None:
    migrated(place)
    in_place(place, "DROP TABLE headrace_record_leases")
    report = care(place).report(subject)
    assert ("problem", "is missing, though its step was run") in told(
        report, "headrace_record_leases"
    )
    assert report.has_problems


def test_tables_that_are_newer_are_told(place: Place) -> None:
    migrated(place)
    in_place(place, "INSERT INTO headrace_records_schema VALUES (999, 'from the future')")
    assert care(place).report("check").has_problems


def test_our_own_plans_are_looked_at(place: Place) -> None:
    report = migrated(place).report("diagnose")
    plans = [each for each in report.sections if each.title == "Plans of our queries"]
    verdicts = {row[0]: row[2] for section in plans for row in section.rows}
    assert "not used" not in verdicts.values(), verdicts


def test_damage_inside_a_file_is_found(tmp_path: Path) -> None:
    place = Place("sqlite", tmp_path)
    migrated(place)
    in_place(place, "CREATE TABLE headrace_many (id INTEGER PRIMARY KEY, word TEXT)")
    in_place(
        place,
        "INSERT INTO headrace_many WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 5000) SELECT i, hex(randomblob(20)) FROM n",
    )
    in_place(place, "CREATE INDEX headrace_many_by_word ON headrace_many (word)")
    in_place(place, "PRAGMA wal_checkpoint(TRUNCATE)")
    file = tmp_path / RECORDS_FILE
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle + 100 : middle + 3000] = bytes(2900)
    file.write_bytes(data)
    report = care(place).report("check")
    assert report.has_problems
    assert any(".recover" in each.advice for each in report.findings)


@pytest.mark.heavy
def test_the_command_tells_without_passwords_and_by_its_status(tmp_path: Path) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return headrace_process.run(
            "db", *words, environment={"PATH": "/usr/bin", "HOME": str(tmp_path)}
        )

    def settings(url: str) -> str:
        path = tmp_path / "headrace.yaml"
        provider = "{sim: {dialect: openai, base_url: 'http://127.0.0.1:9/v1'}}"
        path.write_text(f"providers: {provider}\nstore: {{url: '{url}'}}\ndata_dir: {tmp_path}\n")
        return str(path)

    at = ("--data-dir", str(tmp_path))
    assert run("migrate", *at).stdout.splitlines()[-1] == f"version {NEWEST}"
    assert run("migrate", "--config", settings("sqlite")).stdout == "nothing to do\n"
    assert run("check", *at).returncode == 0
    assert '"dialect": "sqlite"' in run("diagnose", "--json", *at).stdout
    in_place(Place("sqlite", tmp_path), "DROP TABLE headrace_record_leases")
    assert run("check", *at).returncode == 1
    assert run("status", *at).returncode == 0
    for url in (
        "postgresql://u:hush@127.0.0.1:9/d",
        "postgresql://u:hush@h/d?hush",
        "postgresql://[",
    ):
        for command in ("status", "migrate", "check", "diagnose"):
            done = run(command, "--config", settings(url))
            assert done.returncode == 1
            assert done.stderr.startswith("headrace: ")
            assert "hush" not in done.stdout + done.stderr
            assert "Traceback" not in done.stderr


def test_a_file_that_is_none_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / RECORDS_FILE).write_bytes(b"no database" * 1000)
    environment = {"PATH": "/usr/bin", "HOME": str(tmp_path)}
    for command in ("status", "migrate", "check", "diagnose"):
        done = headrace_process.run(
            "db", command, "--data-dir", str(tmp_path), environment=environment
        )
        assert done.returncode == 1
        assert "not a database" in done.stderr
    assert (tmp_path / RECORDS_FILE).read_bytes() == b"no database" * 1000


MIGRATE = """
import os, signal, sys
from pathlib import Path
from headrace.store.care.place import CarePlace
def tell(step):
    if step.number == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
CarePlace(url=sys.argv[1], folder=Path(sys.argv[2])).migrate(tell)
"""


def migrating(place: Place, killed_at: int) -> "subprocess.Popen[bytes]":
    """A process that migrates, and is killed before a step; 0 lets it end."""
    words = [sys.executable, "-c", MIGRATE, place.url, str(place.folder), str(killed_at)]
    return subprocess.Popen(words, cwd=ROOT, env={"PYTHONPATH": str(ROOT / "src")})


@pytest.mark.parametrize("killed_at", sorted({1, NEWEST}))
def test_a_migration_that_was_killed_leaves_nothing_half(place: Place, killed_at: int) -> None:
    process = migrating(place, killed_at)
    assert process.wait(60) == -9
    # The server lets go of what the dead one held.
    version_known = [f"tables of version {NEWEST}"]
    migrated(place)
    assert [what for _, what in told(care(place).report("check"), "records")] == version_known


@pytest.mark.heavy
def test_any_number_may_migrate_at_once(place: Place) -> None:
    processes = [migrating(place, 0) for _ in range(4)]
    assert [process.wait(100) for process in processes] == [0] * 4
    assert not care(place).report("check").has_problems


@pytest.fixture
def counting() -> Iterator[PostgresServer]:
    """A server that counts statements."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here")
    if not any(binaries.parent.parent.parent.glob("**/pg_stat_statements.so")):
        pytest.skip("this PostgreSQL does not count statements")
    server = PostgresServer(binaries, {"shared_preload_libraries": "pg_stat_statements"})
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.mark.heavy
def test_a_server_that_is_ill_in_many_ways(counting: PostgresServer, tmp_path: Path) -> None:
    place = Place(counting.url, tmp_path)
    migrated(place)
    counting.ask("CREATE EXTENSION pg_stat_statements")
    counting.ask(
        "CREATE TABLE headrace_big AS SELECT n AS id, n % 7 AS kind"
        " FROM generate_series(1, 30000) AS n"
    )
    counting.ask("CREATE INDEX headrace_big_a ON headrace_big (id)")
    counting.ask("CREATE INDEX headrace_big_b ON headrace_big (id)")
    for _ in range(55):
        counting.ask("SELECT count(*) FROM headrace_big WHERE kind = 3")
    counting.ask("DELETE FROM headrace_big WHERE id > 15000")
    with psycopg.connect(counting.url) as holder, psycopg.connect(counting.url) as waiter:
        holder.execute("LOCK TABLE headrace_big")

        def wait() -> None:
            waiter.execute("SELECT count(*) FROM headrace_big")

        thread = threading.Thread(target=wait)
        thread.start()
        asking = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        eventually(lambda: counting.ask(asking) == 1)

        def report() -> Report | None:
            # Counters of other connections come with some delay.
            found = care(place).report("diagnose")
            big = {what.split(" ")[0] for _, what in told(found, "headrace_big")}
            return found if {"read", "15,000"} <= big else None

        found = eventually(report)
        holder.rollback()
        thread.join()
    assert found is not None
    assert told(found, "headrace_big_b") == [("warning", "has the columns of headrace_big_a")]
    assert told(found, "idle in transaction")
    (locks,) = [each for each in found.sections if each.title == "Waiting for locks"]
    assert len(locks.rows) == 1
    (statements,) = [each for each in found.sections if each.title == "Statements by total time"]
    texts = [row[0] for row in statements.rows]
    assert any("headrace_big WHERE kind" in str(text) for text in texts)
    assert not told(found, "pg_stat_statements")


def test_a_user_who_may_see_little_is_told_what_there_is(own_url: str, tmp_path: Path) -> None:
    place = Place(own_url, tmp_path)
    migrated(place)
    with psycopg.connect(own_url, autocommit=True) as server:
        server.execute("DROP ROLE IF EXISTS headrace_small")
        server.execute("CREATE ROLE headrace_small LOGIN")
        server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO headrace_small")
    url = own_url.replace("postgresql://headrace@", "postgresql://headrace_small@")
    for subject in ("status", "check", "diagnose"):
        report = CarePlace(url=url, folder=tmp_path).report(subject)  # type: ignore[arg-type]
        assert report.findings
    with psycopg.connect(own_url, autocommit=True) as server:
        server.execute("DROP OWNED BY headrace_small")
        server.execute("DROP ROLE headrace_small")


def test_a_folder_that_may_only_be_read(tmp_path: Path) -> None:
    place = Place("sqlite", tmp_path)
    migrated(place)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(tmp_path / RECORDS_FILE, copy / RECORDS_FILE)
    assert not CarePlace(url="sqlite", folder=copy).report("check").has_problems
