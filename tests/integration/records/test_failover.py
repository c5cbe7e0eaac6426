"""Records on a primary with standbys, one of which takes its place in mid-transaction."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.support.postgres import find_binaries
from tests.support.replication import Cluster, cluster

from headrace.clock import SystemClock
from headrace.store.faults import StoreFault
from headrace.store.records.bounds import RecordBounds
from headrace.store.records.open import open_records
from headrace.store.records.queries import Queries, parse_queries
from headrace.store.records.records import Records, Step
from headrace.store.records.roster import ReplicaBounds
from headrace.store.records.sessions import SessionTable

BOUNDS = RecordBounds(
    read_limit_s=10.0,
    write_limit_s=10.0,
    replicas=ReplicaBounds(wait_ms_max=500.0, probe_s=0.05),
)
QUERIES = """
-- name: make
-- for: the test
CREATE TABLE things (id BIGINT PRIMARY KEY, pair BIGINT NOT NULL);
-- name: add
-- for: the test
INSERT INTO things VALUES (:id, :pair) ON CONFLICT (id) DO NOTHING;
-- name: all
-- for: the test
SELECT id, pair FROM things ORDER BY id;
-- name: look
-- for: the test
-- standby: yes
SELECT pair FROM things WHERE id = :id;
-- name: find
-- for: the test
SELECT pair FROM things WHERE id = :id;
"""


@pytest.fixture
def servers() -> Iterator[Cluster]:
    """A cluster of this test's own: it does not survive."""
    binaries = find_binaries()
    if binaries is None or not (binaries / "pg_basebackup").exists():
        pytest.skip("no PostgreSQL here that can make standbys")
    with cluster(binaries, 2) as found:
        yield found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110  # nothing tells when a server does something
            await asyncio.sleep(0.01)


async def in_thread(call: Callable[[], object]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, call)


@asynccontextmanager
async def opened(
    url: str, replicas: tuple[str, ...] = (), sessions: SessionTable | None = None
) -> AsyncIterator[Records]:
    events: list[str] = []
    records = open_records(
        url,
        folder=None,  # type: ignore[arg-type]  # for files only
        clock=SystemClock(),
        bounds=BOUNDS,
        say=lambda _level, event, about="", **_fields: events.append(f"{event} {about}"),
        replicas=replicas,
        sessions=sessions,
    )
    queries = Queries("postgresql", parse_queries("t", QUERIES, "postgresql"))
    trying = Records(records._driver, queries, records._watch, records._sessions)
    try:
        await trying.ready(30.0)
        yield trying
    finally:
        await records.close(10.0)


def urls(servers: Cluster) -> tuple[str, ...]:
    return tuple(each.url for each in servers.standbys)


@pytest.mark.heavy
def test_workers_read_from_standbys_what_others_of_their_machine_wrote(servers: Cluster) -> None:
    cells = memoryview(array("q", bytes(8 * SessionTable.cells_for(2))))

    async def main() -> None:
        tables = [SessionTable(cells, 2, own) for own in range(2)]
        async with (
            opened(servers.primary.url, urls(servers), tables[0]) as one,
            opened(servers.primary.url, urls(servers), tables[1]) as other,
        ):
            await one.write(Step("t.make"), session=one.session("a"))
            for number in range(60):
                await one.write(Step("t.add", {"id": number, "pair": 0}), session=one.session("a"))
                (found,) = await other.fetch("t.find", {"id": number}, other.session("a"))
                assert found == {"pair": 0}
            for number in range(100, 130):
                # Whoever writes, and whoever reads what a standby may tell.
                await one.write(Step("t.add", {"id": number, "pair": 1}))
                assert await other.fetch("t.look", {"id": number}) == [{"pair": 1}]
            # Another machine, which is handed the token.
            async with opened(servers.primary.url, urls(servers)) as far:
                session = far.session("a", one.session("a").token)
                assert session.position == one.session("a").position > 0
                assert len(await far.fetch("t.all", session=session)) >= 60
        asked = other.condition().standby_reads
        assert asked["at_once"] + asked["waited"] > 45

    asyncio.run(main())


class Pairs:
    """Writes pairs, each as one transaction, and remembers how that went.

    Attributes:
        told: those of which it was told that they are written.
        refused: what it was told of others.
    """

    def __init__(self, records: Records) -> None:
        self.told: list[int] = []
        self.refused: list[StoreFault] = []
        self._records = records
        self._stop = asyncio.Event()

    async def write(self, first: int) -> None:
        """Write pairs until it is to stop."""
        number, session = first, self._records.session("w")
        while not self._stop.is_set():
            pair = [{"id": number + n, "pair": number} for n in (0, 1)]
            try:
                await self._records.write(*(Step("t.add", each) for each in pair), session=session)
                self.told.append(number)
            except StoreFault as fault:
                self.refused.append(fault)
                await asyncio.sleep(0.05)
            number += 10

    async def more(self, count: int) -> None:
        """Wait until so many more are written."""
        wanted = len(self.told) + count

        async def enough() -> bool:
            return len(self.told) >= wanted

        await until(enough)

    def stop(self) -> None:
        self._stop.set()


@pytest.mark.heavy
def test_writes_go_on_with_the_standby_that_takes_over_and_none_is_lost(servers: Cluster) -> None:
    # Only so does a commit that was told survive its server.
    servers.primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby1'")
    servers.primary.ask("SELECT pg_reload_conf()")

    async def main() -> None:
        async with opened(servers.url_of_all("postgres"), urls(servers)) as records:
            await records.write(Step("t.make"))
            pairs = Pairs(records)
            writers = asyncio.gather(*(pairs.write(2 * n) for n in range(4)))
            await pairs.more(100)
            await in_thread(servers.primary.kill)
            await in_thread(servers.standbys[0].promote)
            await pairs.more(100)
            pairs.stop()
            await writers
            rows = await records.fetch("t.all", session=records.session("w"))

            async def is_seen() -> bool:
                standings = records.condition().standbys
                return bool(standings[0].why_out == "promoted")

            await until(is_seen)
        found = {row["id"]: row["pair"] for row in rows}
        assert [number for number in pairs.told if number not in found] == []
        assert [number for number in found.values() if {number, number + 1} - found.keys()] == []
        assert all("store" in fault.message for fault in pairs.refused)

    asyncio.run(main())


@pytest.mark.heavy
def test_a_server_that_may_only_be_read_says_so_to_who_writes(servers: Cluster) -> None:
    async def main() -> None:
        async with opened(servers.primary.url) as records:
            await records.write(Step("t.make"))
        await in_thread(servers.settle)
        async with opened(servers.standbys[0].url) as records:
            with pytest.raises(StoreFault, match="read-only"):
                await records.write(Step("t.add", {"id": 1, "pair": 1}))
            assert await records.fetch("t.all") == []

    asyncio.run(main())


@pytest.mark.heavy
def test_standbys_answer_while_the_primary_is_away(servers: Cluster) -> None:
    async def main() -> None:
        async with opened(servers.primary.url, urls(servers)) as records:
            session = records.session("a")
            await records.write(Step("t.make"), session=session)
            await records.write(Step("t.add", {"id": 1, "pair": 1}), session=session)
            assert await records.fetch("t.all", session=session)
            await in_thread(servers.settle)
            await in_thread(servers.primary.kill)
            for _ in range(20):
                assert await records.fetch("t.find", {"id": 1}, session) == [{"pair": 1}]
            with pytest.raises(StoreFault):
                await records.write(Step("t.add", {"id": 2, "pair": 2}), session=session)

            async def is_answered() -> bool:
                try:
                    return bool(await records.fetch("t.find", {"id": 1}, session))
                except StoreFault:
                    return False

            # What failed to write has the standbys looked at anew.
            await until(is_answered)

    asyncio.run(main())
