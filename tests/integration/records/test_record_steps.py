"""Tables of records are made step by step, once, whoever comes at the same time."""

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.support.stores import Place

from headrace.store.faults import SchemaTooNew, StoreFault
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.queries import Queries, parse_queries
from headrace.store.records.records import Records, Step
from headrace.store.records.steps import load_steps

NEWEST = len(load_steps("sqlite"))
TABLES = """
-- name: version
-- for: the test
SELECT number FROM headrace_records_schema ORDER BY number;
-- name: newer
-- for: the test
INSERT INTO headrace_records_schema VALUES (999, 'from the future');
-- name: forget
-- for: the test
DELETE FROM headrace_records_schema WHERE number >= :number;
"""


def asking(records: Records) -> Records:
    queries = Queries(records.dialect, parse_queries("t", TABLES, records.dialect))
    return Records(records._driver, queries)


async def versions(records: Records) -> list[int]:
    return [row["number"] for row in await asking(records).fetch("t.version")]


def test_those_who_start_at_once_take_turns(place: Place) -> None:
    async def main() -> None:
        async with place.records() as a, place.records() as b, place.records() as c:
            await asyncio.gather(a.ready(30.0), b.ready(30.0), c.ready(30.0))
            assert await versions(c) == list(range(1, NEWEST + 1))

    asyncio.run(main())


def test_a_newer_version_is_refused_and_not_touched(place: Place) -> None:
    async def main() -> None:
        async with place.records() as records:
            await records.ready(30.0)
            await asking(records).write(Step("t.newer"))
        async with place.records() as records:
            with pytest.raises(SchemaTooNew, match=r"version 999.*newer Headrace"):
                await records.ready(30.0)

    asyncio.run(main())


def test_a_step_that_fails_leaves_nothing_behind(place: Place) -> None:
    async def main() -> None:
        async with place.records() as records:
            await records.ready(30.0)
            await asking(records).write(Step("t.forget", {"number": 1}))
        async with place.records() as records:  # finds its tables there already
            with pytest.raises(StoreFault):
                await records.ready(30.0)
        async with place.records() as records:
            with pytest.raises(StoreFault):
                await records.fetch("leases.take")

    asyncio.run(main())


def test_a_file_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    place = Place("sqlite", tmp_path)

    async def main() -> None:
        async with place.records() as records:
            await records.ready(30.0)
        with sqlite3.connect(tmp_path / RECORDS_FILE) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        (tmp_path / RECORDS_FILE).chmod(0o400)
        async with place.records() as records:
            assert await versions(records) == list(range(1, NEWEST + 1))

    if os.geteuid() == 0:
        pytest.skip("root may write whatever the mode says")
    asyncio.run(main())


def test_a_damaged_file_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / RECORDS_FILE).write_bytes(b"this is no database " * 1000)
    before = (tmp_path / RECORDS_FILE).read_bytes()

    async def main() -> None:
        async with Place("sqlite", tmp_path).records() as records:
            with pytest.raises(StoreFault, match="put a copy in its place"):
                await records.ready(30.0)

    asyncio.run(main())
    assert (tmp_path / RECORDS_FILE).read_bytes() == before


def test_a_file_that_was_taken_away_is_made_anew(tmp_path: Path) -> None:
    async def main() -> None:
        async with Place("sqlite", tmp_path).records() as records:
            await records.ready(30.0)
            shutil.rmtree(tmp_path)
            await asyncio.to_thread(tmp_path.mkdir)
            await asking(records).write(Step("t.forget", {"number": 1000}))
            assert await versions(records) == list(range(1, NEWEST + 1))

    asyncio.run(main())
