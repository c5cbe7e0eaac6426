"""Reads from real standbys, which are held up, frozen, killed and promoted meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from tests.support.postgres import PostgresServer, find_binaries
from tests.support.replication import Cluster, cluster

from headrace.clock import SystemClock
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.postgres_links import PostgresLinks
from headrace.store.records.roster import ReplicaBounds, Sighting
from headrace.store.records.sessions import SessionTable
from headrace.store.records.standby import Standby, position_of, sighting_of
from headrace.store.records.standby_reads import ReplicaReads
from headrace.store.records.waits import Waits

BOUNDS = ReplicaBounds(probe_s=0.05, out_s_min=0.1, out_s_max=0.2, wait_ms_max=5.0)
READ = "SELECT value FROM things WHERE id = %(id)s"
Events = list[tuple[str, str]]


@pytest.fixture(scope="module")
def servers() -> Iterator[Cluster]:
    binaries = find_binaries()
    if binaries is None or not (binaries / "pg_basebackup").exists():
        pytest.skip("no PostgreSQL here that can make standbys")
    with cluster(binaries, 2) as found:
        found.primary.ask("CREATE TABLE things (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)")
        found.settle()
        yield found


@pytest.fixture
def settled(servers: Cluster) -> Iterator[Cluster]:
    """The same servers, as they should be; put right again after the test."""
    servers.settle()
    yield servers
    for standby in servers.standbys:
        if standby.is_running:
            standby.thaw()
        else:
            standby.start()
    servers.settle()


class Desk:
    """Writes to the primary, and reads what was written from wherever it may be read."""

    def __init__(
        self, primary: PostgresServer, standbys: Sequence[PostgresServer], bounds: ReplicaBounds
    ) -> None:
        self.events: Events = []
        self.waits = Waits("the test", 100)
        self.sessions = SessionTable()
        self.stale = 0
        self._url = primary.url
        limit_s = bounds.answer_s_max
        links = [PostgresLinks(each.url, RecordBounds(), limit_s) for each in standbys]
        asked = [Standby(each, limit_s, Waits(each.name, 100)) for each in links]
        self.names = [each.name for each in asked]
        self.reads = ReplicaReads(
            asked,
            bounds,
            look_at_primary=self.look,
            clock=SystemClock(),
            waits=self.waits,
            tell=lambda _level, event, about, _detail: self.events.append((event, about)),
        )

    async def open(self) -> None:
        self.primary = await AsyncConnection.connect(self._url, autocommit=True)
        self.reads.start()

    async def look(self) -> Sighting | None:
        return await sighting_of(self.primary)

    async def write(self, number: int, value: int) -> None:
        """Write a value, as the session of its number."""
        await self.primary.execute(
            "INSERT INTO things VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET value = %s",
            (number, value, value),
        )
        self.sessions.session(str(number)).wrote(await position_of(self.primary))

    async def read(self, number: int) -> tuple[int | None, bool]:
        """The value of a number, as its session sees it, and whether a standby told it."""
        position = self.sessions.session(str(number)).position
        rows = await self.reads.fetch(READ, {"id": number}, position)
        if rows is not None:
            return (rows[0]["value"] if rows else None), True
        found = await (await self.primary.execute(READ, {"id": number})).fetchall()
        return (found[0][0] if found else None), False

    async def settled(self) -> None:
        """Wait until every standby is asked."""
        await self.until(lambda: all(each.why_out is None for each in self.reads.standings()))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110  # nothing tells when a server does something
                await asyncio.sleep(0.005)

    async def write_and_read(self, rounds: int, numbers: range) -> int:
        """Write and read at once what was written; how many reads a standby answered."""
        told = 0
        for value in range(rounds):
            for number in numbers:
                await self.write(number, value)
                seen, by_standby = await self.read(number)
                self.stale += seen != value
                told += by_standby
        return told

    async def close(self) -> None:
        await self.reads.close(5.0)
        await self.waits.close(5.0)
        await self.primary.close()


@asynccontextmanager
async def opened(servers: Cluster, bounds: ReplicaBounds = BOUNDS) -> AsyncIterator[Desk]:
    desk = Desk(servers.primary, servers.standbys, bounds)
    await desk.open()
    try:
        await desk.settled()
        yield desk
    finally:
        await desk.close()


def use(servers: Cluster, work: Callable[[Desk], Awaitable[Any]], **bounds: float) -> Desk:
    """Do some work at a desk; what it has read was never stale."""
    how = ReplicaBounds(**{**{n: getattr(BOUNDS, n) for n in BOUNDS.__struct_fields__}, **bounds})

    async def run() -> Desk:
        async with opened(servers, how) as desk:
            await work(desk)
        assert desk.stale == 0
        return desk

    return asyncio.run(run())


async def in_thread(call: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, call)


@pytest.mark.heavy
def test_whoever_has_written_reads_that_from_a_standby(settled: Cluster) -> None:
    async def work(desk: Desk) -> None:
        assert await desk.write_and_read(20, range(5)) > 50

    counts = use(settled, work, wait_ms_max=5000.0).reads.counts
    assert counts.at_once + counts.waited > 50
    assert counts.failed == 0


def test_without_waiting_for_the_log_half_of_it_would_be_stale(settled: Cluster) -> None:
    """So that the tests beside this one can fail."""

    async def work(desk: Desk) -> None:
        await in_thread(settled.standbys[0].pause)
        await in_thread(settled.standbys[1].pause)
        stale = 0
        for value in range(10):
            await desk.write(1, 1000 + value)
            rows = await desk.reads.fetch(READ, {"id": 1}, 0)
            stale += rows is not None and (not rows or rows[0]["value"] != 1000 + value)
        assert stale == 10

    use(settled, work)


def test_a_standby_that_lags_is_not_asked_by_those_who_wrote(settled: Cluster) -> None:
    async def work(desk: Desk) -> None:
        await in_thread(lambda: settled.standbys[0].delay(60_000))
        await desk.write_and_read(10, range(10, 13))
        one, other = desk.reads.standings()
        assert (one.why_out, other.why_out) == (None, None)

    counts = use(settled, work, wait_ms_max=200.0).reads.counts
    assert counts.at_once + counts.waited >= 25


@pytest.mark.heavy
def test_one_that_is_too_late_is_left_out_and_back_when_it_has_caught_up(settled: Cluster) -> None:
    async def work(desk: Desk) -> None:
        late = settled.standbys[0]
        await in_thread(late.pause)

        async def go_on_writing() -> None:
            value = 0
            while True:
                await desk.write(20, value)
                await asyncio.sleep(0.02)
                value += 1

        writing = desk.waits.start(go_on_writing())
        await desk.until(lambda: desk.reads.standings()[0].why_out == "late")
        assert ("replica_out", desk.names[0]) in desk.events
        assert desk.reads.standings()[1].why_out is None
        rows = [await desk.reads.fetch(READ, {"id": 20}, 0) for _ in range(10)]
        assert all(rows)
        await in_thread(late.resume)
        await desk.until(lambda: desk.reads.standings()[0].why_out is None)
        writing.cancel()
        assert ("replica_back", desk.names[0]) in desk.events

    use(settled, work, lag_s_max=0.5)


def test_one_that_is_killed_is_left_out_and_found_again(settled: Cluster) -> None:
    async def work(desk: Desk) -> None:
        victim = settled.standbys[1]
        writing = desk.waits.start(desk.write_and_read(300, range(30, 32)))
        await asyncio.sleep(0)
        await in_thread(victim.kill)
        await desk.until(lambda: desk.reads.standings()[1].why_out == "failed")
        told = await writing
        assert told > 0
        await in_thread(victim.start)
        await desk.settled()
        before = desk.reads.counts.failed
        await desk.write_and_read(5, range(30, 32))
        assert desk.reads.counts.failed == before

    desk = use(settled, work, wait_ms_max=200.0)
    assert [each for each in desk.events if each[1] == desk.names[0]] == []


def test_one_that_is_frozen_holds_nobody_up_for_long(settled: Cluster) -> None:
    async def work(desk: Desk) -> None:
        await in_thread(settled.standbys[0].freeze)
        async with asyncio.timeout(30):
            await desk.write_and_read(50, range(40, 44))
        await desk.until(lambda: desk.reads.standings()[0].why_out == "failed")
        await in_thread(settled.standbys[0].thaw)
        await desk.settled()
        assert await desk.write_and_read(5, range(40, 44)) > 0

    use(settled, work, answer_s_max=0.2, wait_ms_max=100.0)


@pytest.mark.heavy
def test_a_server_of_another_cluster_is_never_asked(settled: Cluster) -> None:
    binaries = find_binaries()
    assert binaries is not None
    with cluster(binaries, 0) as other:
        other.primary.ask("CREATE TABLE things (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)")

        async def run() -> None:
            desk = Desk(settled.primary, [other.primary], BOUNDS)
            await desk.open()
            await desk.until(lambda: desk.reads.standings()[0].why_out == "promoted")
            assert await desk.reads.fetch(READ, {"id": 1}, 0) is None
            await desk.close()

        asyncio.run(run())


def test_a_wrong_query_is_told_and_blames_no_standby(settled: Cluster) -> None:
    async def work(desk: Desk) -> None:
        for _ in range(5):
            with pytest.raises(psycopg.errors.SyntaxError):
                await desk.reads.fetch("SELECT FROM WHERE", {}, 0)
        assert [each.why_out for each in desk.reads.standings()] == [None, None]

    use(settled, work)


@pytest.mark.heavy
def test_ten_thousand_reads_under_write_load_are_all_fresh(settled: Cluster) -> None:
    async def work(desk: Desk) -> None:
        stop = asyncio.Event()

        async def load(at: int) -> None:
            writer = await AsyncConnection.connect(settled.primary.url, autocommit=True)
            async with writer:
                while not stop.is_set():
                    await writer.execute(
                        "INSERT INTO things SELECT n, n FROM generate_series(%s::int, %s::int) AS n"
                        " ON CONFLICT (id) DO UPDATE SET value = things.value + 1",
                        (at, at + 50),
                    )

        loads = [desk.waits.start(load(10_000 + 1000 * n)) for n in range(2)]
        told = sum(
            await asyncio.gather(
                *(desk.write_and_read(625, range(100 + 4 * n, 104 + 4 * n)) for n in range(4))
            )
        )
        stop.set()
        await asyncio.gather(*loads)
        counts = {n: getattr(desk.reads.counts, n) for n in desk.reads.counts.__slots__}
        print(f"10,000 reads, {desk.stale} stale, {told} by standbys: {counts}")

    use(settled, work)
