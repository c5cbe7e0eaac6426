"""What becomes of a PostgreSQL store when its server is down, killed, frozen or started again."""

import asyncio
import itertools
from pathlib import Path

import psycopg
import pytest
from tests.support.postgres import PostgresServer
from tests.support.stores import BATCH, NOW_S, Place, assert_whole, key, row
from tests.support.waiting import eventually

from headrace.store.bounds import StoreBounds
from headrace.store.faults import StoreBusy, StoreFault, StoreTimeout
from headrace.store.store import Store

QUICK = StoreBounds(read_limit_s=0.1, write_limit_s=0.3, reads_waiting_max=4, writes_waiting_max=2)


@pytest.fixture
def place(own_url: str, tmp_path: Path) -> Place:
    return Place(own_url, tmp_path)


async def put_until_it_works(store: Store, number: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await store.answers.put_many([row(number)], NOW_S)
            except StoreFault:
                await asyncio.sleep(0.01)
                continue
            return


@pytest.mark.heavy
def test_a_server_that_is_down_at_first_is_used_once_it_is_up(
    place: Place, server: PostgresServer
) -> None:
    server.stop()

    async def use(store: Store) -> None:
        with pytest.raises(StoreFault, match="failed"):
            await store.ready()
        with pytest.raises(StoreFault, match="failed"):
            await store.answers.get(key(1), NOW_S)
        with pytest.raises(StoreFault, match="failed"):
            await store.answers.put_many([row(1)], NOW_S)
        server.start()
        await store.answers.put_many([row(1)], NOW_S)
        assert await store.answers.get(key(1), NOW_S) == b"value 1"

    place.use(use)


async def write_until_it_fails(store: Store, written: list[int]) -> None:
    """Put batches, and list them; without an end if nothing fails."""
    for number in itertools.count():
        rows = [row(number * BATCH + n, value=bytes(20_000)) for n in range(BATCH)]
        try:
            await store.answers.put_many(rows, NOW_S)
        except StoreFault:
            return
        written.append(number)


def test_a_server_killed_in_a_write_leaves_nothing_half(
    place: Place, server: PostgresServer
) -> None:
    written: list[int] = []

    async def use(store: Store) -> None:
        writing = asyncio.ensure_future(write_until_it_fails(store, written))
        await until(lambda: len(written) >= 20)
        await asyncio.get_running_loop().run_in_executor(None, server.kill)
        await writing
        server.start()
        await put_until_it_works(store, 0)
        await store.answers.remove([key(n) for n in range(BATCH)])
        # The server may lose the commits of its last moments, as the settings of a session allow.
        await assert_whole(store, (), (len(written) + 2) * BATCH)

    place.use(use)


def test_a_server_that_was_started_again_is_noticed_by_nobody(
    place: Place, server: PostgresServer
) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(1)], NOW_S)
        assert await store.answers.get(key(1), NOW_S) == b"value 1"
        server.stop()
        server.start()
        assert await store.answers.get(key(1), NOW_S) == b"value 1"
        await store.answers.put_many([row(2)], NOW_S)
        assert await store.leases.try_lease(b"work", b"me", 10, NOW_S)

    place.use(use)


@pytest.mark.heavy
def test_a_frozen_server_holds_up_nobody_beyond_the_limit(
    place: Place, server: PostgresServer
) -> None:
    async def use(store: Store) -> None:
        await put_until_it_works(store, 1)
        await read_until_it_works(store, 1)
        server.freeze()
        kinds = set()
        async with asyncio.timeout(20):
            while StoreBusy not in kinds:
                with pytest.raises(StoreFault) as caught:
                    await store.answers.get(key(1), NOW_S)
                kinds.add(caught.type)
        assert kinds == {StoreTimeout, StoreBusy}
        with pytest.raises(StoreTimeout):
            await store.answers.put_many([row(2)], NOW_S)
        server.thaw()
        await put_until_it_works(store, 3)
        await read_until_it_works(store, 3)

    place.use(use, bounds=QUICK)


async def read_until_it_works(store: Store, number: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                assert await store.answers.get(key(number), NOW_S) is not None
            except StoreFault:
                await asyncio.sleep(0.01)
                continue
            return


def test_somebody_elses_lock_fails_writes_and_not_reads(place: Place) -> None:
    async def use(store: Store) -> None:
        await put_until_it_works(store, 1)
        with psycopg.connect(place.url) as other:
            other.execute("SELECT * FROM headrace_totals FOR UPDATE")
            with pytest.raises((StoreBusy, StoreTimeout)):
                await store.answers.put_many([row(2)], NOW_S)
            await read_until_it_works(store, 1)
            # A lease does not wait for whoever writes answers, once its turn has come.
            await lease_until_it_works(store)
        await put_until_it_works(store, 2)

    place.use(use, bounds=QUICK)


async def lease_until_it_works(store: Store) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                assert await store.leases.try_lease(b"work", b"me", 10, NOW_S)
            except StoreFault:
                continue
            return


def test_tables_that_were_dropped_are_made_anew(place: Place) -> None:
    async def use(store: Store) -> None:
        await store.answers.put_many([row(1)], NOW_S)
        assert await store.answers.get(key(1), NOW_S) is not None
        with psycopg.connect(place.url, autocommit=True) as other:
            other.execute("DROP SCHEMA public CASCADE")
            other.execute("CREATE SCHEMA public")
        assert await store.answers.get(key(1), NOW_S) is None
        await store.answers.put_many([row(1)], NOW_S)
        assert await store.answers.get(key(1), NOW_S) == b"value 1"

    place.use(use)


@pytest.mark.heavy
def test_purges_are_noticed_without_looking_and_after_a_restart(
    place: Place, server: PostgresServer
) -> None:
    async def use(store: Store) -> None:
        told: list[int | None] = []
        # So rarely that the test ends before it looks by itself.
        store.watch_purges(told.append, poll_s=1000.0)
        await until(lambda: len(told) == 1)
        async with place.opened() as other:
            first = await other.purges.publish("all", NOW_S)
            await until(lambda: told[-1] == first)
            await asyncio.get_running_loop().run_in_executor(None, server.stop)
            await until(lambda: told[-1] is None)
            await asyncio.get_running_loop().run_in_executor(None, server.start)
            second = await other.purges.publish("tenant:a", NOW_S)
            await until(lambda: told[-1] == second)
        purges = await store.purges.since(first)
        assert [(each.seq, each.scope) for each in purges.purges] == [(second, "tenant:a")]

    place.use(use)


async def until(predicate: object) -> None:
    """Wait in a thread, so that the loop goes on."""
    await asyncio.get_running_loop().run_in_executor(None, eventually, predicate)


def test_no_message_shows_the_password(tmp_path: Path) -> None:
    url = "postgresql://user:hunter2@127.0.0.1:1/none"

    async def use(store: Store) -> None:
        with pytest.raises(StoreFault) as caught:
            await store.ready()
        assert "127.0.0.1:1/none" in caught.value.message
        assert "hunter2" not in caught.value.message + store.name

    Place(url, tmp_path).use(use)


def test_no_lease_outlives_its_server(place: Place, server: PostgresServer) -> None:
    async def use(store: Store) -> None:
        assert await store.leases.try_lease(b"work", b"a", 30.0, NOW_S)
        with psycopg.connect(place.url) as connection:  # what was written so far is on disk now
            connection.execute("CREATE TABLE other (id INTEGER)")
        server.kill()
        server.start()
        async with asyncio.timeout(30):
            while not await try_lease(store):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def try_lease(store: Store) -> bool:
        try:
            is_taken = await store.leases.try_lease(b"work", b"b", 30.0, NOW_S)
        except StoreFault:
            return False
        assert is_taken, "it is still another's"
        return True

    place.use(use)
