"""Tables are made step by step, from whatever version is there, and never from a newer one."""

import asyncio
from contextlib import ExitStack, closing
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url, text
from tests.support.stores import NOW_S, Place, key, row, writer

from headrace.store.faults import SchemaTooNew, StoreFault
from headrace.store.migrations import MIGRATIONS, NEWEST, migrate
from headrace.store.open import CACHE_FILE
from headrace.store.store import Store


def connect(place: Place) -> Connection:
    """A connection beside the store."""
    if place.dialect == "sqlite":
        engine = create_engine(f"sqlite:///{place.folder / CACHE_FILE}")
    else:
        engine = create_engine(make_url(place.url).set(drivername="postgresql+psycopg"))
    return engine.connect()


def in_database(place: Place, statement: str, **parameters: Any) -> list[Any]:
    with ExitStack() as stack:
        connection = stack.enter_context(closing(connect(place)))
        stack.callback(connection.engine.dispose)
        with connection.begin():
            result = connection.execute(text(statement), parameters)
            return list(result) if result.returns_rows else []


def version(place: Place) -> int:
    number: int = in_database(place, "SELECT max(number) FROM headrace_schema")[0][0]
    return number


def make_version(place: Place, number: int) -> None:
    with ExitStack() as stack:
        connection = stack.enter_context(closing(connect(place)))
        stack.callback(connection.engine.dispose)
        with connection.begin():
            migrate(connection, "it", upto=number)


async def assert_works(store: Store) -> None:
    await store.answers.put_many([row(1)], NOW_S)
    assert await store.answers.get(key(1), NOW_S) == b"value 1"
    seq = await store.purges.publish("tenant:t1", NOW_S)
    assert (await store.purges.since(seq - 1)).latest == seq
    assert await store.leases.try_lease(b"work", b"me", 10, NOW_S)


def test_steps_are_numbered_without_gaps() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, NEWEST + 1))


@pytest.mark.parametrize("number", range(NEWEST + 1))
def test_every_version_leads_to_the_newest(place: Place, number: int) -> None:
    make_version(place, number)
    place.use(assert_works)
    assert version(place) == NEWEST


def test_what_an_older_version_held_is_kept(place: Place) -> None:
    make_version(place, 1)
    in_database(
        place,
        "INSERT INTO headrace_answers"
        " (key, size, stored_s, used_s, expires_s, worth_usd, rank, value)"
        " VALUES (:key, 600, 0, 0, :expires_s, 1, 0, :key)",
        key=b"k",
        expires_s=NOW_S + 10,
    )
    assert place.use(lambda store: store.answers.get(b"k", NOW_S)) == b"k"


def test_a_newer_version_is_refused_and_not_touched(place: Place) -> None:
    make_version(place, NEWEST)
    in_database(place, "INSERT INTO headrace_schema VALUES (99, 'from the future')")

    async def use(store: Store) -> None:
        with pytest.raises(SchemaTooNew, match=r"version 99.*newer Headrace"):
            await store.ready()
        with pytest.raises(SchemaTooNew):
            await store.answers.get(key(1), NOW_S)

    place.use(use)
    assert version(place) == 99


def test_a_step_that_fails_leaves_nothing_behind(place: Place) -> None:
    # The last step will find its table there already.
    in_database(place, "CREATE TABLE headrace_leases (foreign_column INTEGER)")

    async def use(store: Store) -> None:
        with pytest.raises(StoreFault):
            await store.ready()

    place.use(use)
    with pytest.raises(Exception, match="headrace_answers"):
        in_database(place, "SELECT 1 FROM headrace_answers")
    in_database(place, "DROP TABLE headrace_leases")
    place.use(assert_works)


@pytest.mark.heavy
def test_processes_that_start_at_once_take_turns(place: Place) -> None:
    processes = [writer(place, number, 4, 1) for number in range(4)]
    for process in processes:
        process.communicate(timeout=100)
    assert [process.returncode for process in processes] == [0] * 4
    assert version(place) == NEWEST
    steps = in_database(place, "SELECT number FROM headrace_schema ORDER BY number")
    assert [number for (number,) in steps] == list(range(1, NEWEST + 1))


def test_stores_that_start_at_once_in_one_process_take_turns(place: Place) -> None:
    async def use() -> None:
        stores = [place.open() for _ in range(6)]
        await asyncio.gather(*(store.ready() for store in stores))
        for store in stores:
            assert await store.close()

    asyncio.run(use())
    assert version(place) == NEWEST
