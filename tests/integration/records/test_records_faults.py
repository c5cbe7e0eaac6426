"""Records that take too long, may only be read, or live by a clock that jumps."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.stores import ROOT, Place

from headrace.clock import ManualClock, SystemClock
from headrace.store.faults import StoreFault, StoreTimeout
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.leases import RecordLeases
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.queries import Queries, parse_queries
from headrace.store.records.records import Records

pytestmark = pytest.mark.heavy_on_postgresql

LONG = """
-- name: long [sqlite]
-- for: taking for ever
WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000000000)
SELECT sum(n) AS found FROM s;
-- name: long [postgresql]
-- for: taking for ever
SELECT pg_sleep(60) AS found;
-- name: short
-- for: taking no time
SELECT 1 AS found;
"""


class JumpingClock(SystemClock):
    """A clock whose wall time somebody sets.

    Attributes:
        offset_s: by how much it is wrong.
    """

    def __init__(self) -> None:
        self.offset_s = 0.0

    def wall_s(self) -> float:  # type: ignore[override]
        return time.time() + self.offset_s


def trying(records: Records) -> Records:
    queries = Queries(records.dialect, parse_queries("t", LONG, records.dialect))
    return Records(records._driver, queries)


def test_a_statement_that_takes_too_long_is_given_up_by_the_database(place: Place) -> None:
    async def main() -> None:
        bounds = RecordBounds(read_limit_s=0.5, write_limit_s=0.5, readers=1, pool_size=1)
        async with place.records(bounds=bounds) as records:
            await records.ready(30.0)
            tried = trying(records)
            with pytest.raises(StoreTimeout):
                await tried.fetch("t.long")
            # The only reader is free again, and as good as before.
            async with asyncio.timeout(60):
                while True:
                    try:
                        assert await tried.fetch("t.short") == [{"found": 1}]
                        break
                    except StoreTimeout:
                        continue

    asyncio.run(main())


def test_leases_outlive_a_clock_that_jumps(place: Place) -> None:
    async def main() -> None:
        clock = JumpingClock()
        async with place.records(clock=clock) as records:
            one, other = (RecordLeases(records, clock, name) for name in ("one", "other"))
            first = await one.take("work", 60.0)
            assert first is not None
            clock.offset_s = -86_400.0
            assert await other.take("work", 60.0) is None
            assert await one.take("work", 60.0) == first
            clock.offset_s = 10 * 86_400.0
            second = await other.take("work", 60.0)
            # On SQLite it is over by this clock; on PostgreSQL by the server's, which stood still.
            assert second == (first + 1 if place.dialect == "sqlite" else None)

    asyncio.run(main())


READ_ONLY = """
import asyncio, json, sys
from pathlib import Path
from headrace.clock import SystemClock
from headrace.store.faults import StoreFault
from headrace.store.records.open import open_records
from headrace.store.records.records import Step
async def main():
    records = open_records("sqlite", Path(sys.argv[1]), clock=SystemClock())
    told = {}
    try:
        told["read"] = await records.fetch("keys.live", {"most": 5})
    except StoreFault as fault:
        told["read"] = fault.message
    try:
        await records.write(Step("leases.give_back", {"name": "a", "holder": "b"}))
        told["write"] = "done"
    except StoreFault as fault:
        told["write"] = fault.message
    await records.close()
    print(json.dumps(told))
asyncio.run(main())
"""


def test_a_folder_that_may_not_be_written_is_told_by_name(tmp_path: Path) -> None:
    async def make() -> None:
        async with Place("sqlite", tmp_path).records() as records:
            await records.ready(30.0)

    asyncio.run(make())
    tmp_path.chmod(0o555)
    for part in (RECORDS_FILE, f"{RECORDS_FILE}.lock"):
        (tmp_path / part).chmod(0o444)
    words = [sys.executable, "-c", READ_ONLY, str(tmp_path)]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may write whatever modes say")
        words = [setpriv, "--bounding-set=-dac_override", "--inh-caps=-dac_override", *words]
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["write"] != "done"
    assert RECORDS_FILE in told["write"]


def test_a_server_whose_database_may_only_be_read_says_so(
    place: Place, request: pytest.FixtureRequest
) -> None:
    if place.dialect == "sqlite":
        pytest.skip("files are tried above")
    import psycopg

    async def main() -> None:
        async with place.records() as records:
            await records.ready(30.0)
        with psycopg.connect(place.url, autocommit=True) as server:
            name = server.info.dbname
            server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        async with place.records() as records:
            assert await records.fetch("keys.live", {"most": 5}) == []
            leases = RecordLeases(records, ManualClock(), "me")
            with pytest.raises(StoreFault, match="read-only"):
                await leases.take("work", 5.0)

    asyncio.run(main())


def test_a_file_that_somebody_else_holds_is_busy_and_then_not(tmp_path: Path) -> None:
    place = Place("sqlite", tmp_path)

    async def main() -> None:
        bounds = RecordBounds(read_limit_s=5.0, write_limit_s=0.3)
        async with place.records() as records:
            await records.ready(30.0)
        holder = sqlite3.connect(tmp_path / RECORDS_FILE, isolation_level=None)
        async with place.records(bounds=bounds) as records:
            leases = RecordLeases(records, ManualClock(), "me")
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFault):
                await leases.take("work", 5.0)
            assert await records.fetch("keys.live", {"most": 5}) == []
            holder.execute("ROLLBACK")
            async with asyncio.timeout(60):
                while True:
                    try:
                        assert await leases.take("work", 5.0)
                        break
                    except StoreFault:
                        continue
        holder.close()

    asyncio.run(main())
