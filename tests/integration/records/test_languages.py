"""A PostgreSQL whose texts are in the order of a language, as servers have it by themselves."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.support.jobs import JobHouse
from tests.support.postgres import Databases

from headrace.clock import SystemClock
from headrace.identity.key_records import read_wish
from headrace.identity.key_store import KeyStore
from headrace.ids import Ids
from headrace.jobs.requests import JobsWanted
from headrace.store.records.open import open_records

CREATE = "CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.fresh() as found:
        name = "headrace_in_english"
        with psycopg.connect(found, autocommit=True) as connection:
            try:
                connection.execute(sql.SQL(CREATE).format(sql.Identifier(name)))
            except (psycopg.errors.SyntaxError, psycopg.errors.FeatureNotSupported):
                pytest.skip("this PostgreSQL has no languages by ICU")
            old = connection.info.dbname
            try:
                yield found.replace(f"/{old}", f"/{name}")
            finally:
                drop = "DROP DATABASE {} WITH (FORCE)"
                connection.execute(sql.SQL(drop).format(sql.Identifier(name)))


def test_pages_begin_with_the_latest(url: str, tmp_path: Path) -> None:
    with JobHouse(url, tmp_path) as house:
        jobs = house.submit("nothing", 3)
        assert [job.id for job in house.page()] == jobs[::-1]
        for wanted in (JobsWanted(), JobsWanted(state="waiting")):
            found = house.ask(lambda desk, _, w=wanted: desk.search(w))
            assert [job.id for job in found.jobs] == jobs[::-1]
    keys, told = asyncio.run(keys_of(url, tmp_path))
    assert told == keys[::-1]


async def keys_of(url: str, folder: Path) -> tuple[list[str], list[str]]:
    """The ids of keys as they were made, and as a page tells them."""
    clock = SystemClock()
    records = open_records(url, folder, clock=clock)
    store = KeyStore(records, clock, Ids(clock.wall_s).new)
    made = [
        (await store.create(read_wish({"name": name, "tenant": "t"}))).record.id for name in "abc"
    ]
    page = await store.page(limit=10, after=None, is_up=False, tenant=None)
    await records.close()
    return made, [record.id for record in page.records]
