"""The copy of the shared server's purges: written while it is heard, read until it was."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.stores import NOW_S, PATIENT

from headrace.cache.purge_copy import PurgeCopy
from headrace.cache.purges import PurgeLedger, number_at
from headrace.clock import ManualClock
from headrace.store.open import CACHE_FILE, open_store
from headrace.store.store import Store

KEEP_S = 3600.0
START = number_at(NOW_S)


class Server:
    """What a process knows of the shared server, as the test wants it."""

    def __init__(self) -> None:
        self.has_begun = False
        self.is_connected = False
        self.last = 0

    def resume(self, last: int) -> None:
        self.last = max(self.last, last)


class Process:
    """A process with a ledger and a copy in a store that others use too."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.ledger = PurgeLedger(clock, keep_s=KEEP_S)
        self.server = Server()
        self.heard: list[str] = []
        self.copy = PurgeCopy(
            store.known_purges,
            server=self.server,
            ledger=self.ledger,
            clock=clock,
            on_purge=lambda scope, _number: self.heard.append(scope),
        )

    def is_told(self, scope: str, number: int) -> None:
        """The server tells of a purge."""
        self.ledger.apply(scope, number)
        self.joins(number)

    def joins(self, last: int) -> None:
        """The server is reached, and has this number."""
        self.server.has_begun = self.server.is_connected = True
        self.server.last = last
        self.ledger.learn(last)


Make = Callable[[], Process]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Callable[[Make, ManualClock], Awaitable[None]]], None]:
    def run(test: Callable[[Make, ManualClock], Awaitable[None]]) -> None:
        async def body() -> None:
            clock = ManualClock(NOW_S)
            store = open_store("sqlite", tmp_path, bounds=PATIENT)
            await test(lambda: Process(store, clock), clock)
            await store.close()

        asyncio.run(body())

    return run


def test_who_has_never_reached_the_server_knows_what_others_were_told(run):
    async def test(make: Make, _clock: ManualClock) -> None:
        there, cut_off = make(), make()
        there.joins(START)
        there.is_told("tag:a", START + 10_000)
        stamped = there.ledger.latest
        there.is_told("tag:b", START + 20_000)
        assert await there.copy.write()
        assert not cut_off.ledger.is_valid(stamped, ("tag:a",))
        await cut_off.copy.read()
        assert cut_off.heard == ["tag:a", "tag:b"]
        assert cut_off.server.last == cut_off.ledger.latest == START + 20_000
        assert cut_off.ledger.is_valid(stamped, ("tag:a",))
        assert not cut_off.ledger.is_valid(stamped, ("tag:b",))
        assert not cut_off.ledger.is_valid(START, ("tag:a",))

    run(test)


def test_answers_count_though_nothing_was_ever_purged(run):
    async def test(make: Make, _clock: ManualClock) -> None:
        there, cut_off = make(), make()
        there.joins(START)
        assert await there.copy.write()
        await cut_off.copy.read()
        assert cut_off.ledger.is_valid(there.ledger.latest, ("tag:a",))

    run(test)


def test_nothing_is_learnt_from_an_empty_copy_nor_once_the_server_tells(run):
    async def test(make: Make, _clock: ManualClock) -> None:
        there, early, late = make(), make(), make()
        await early.copy.read()
        assert (early.ledger.latest, early.server.last) == (0, 0)
        there.joins(START)
        there.is_told("tag:a", START + 10_000)
        await there.copy.write()
        late.joins(START)
        await late.copy.read()
        assert (late.ledger.latest, late.heard) == (START, [])

    run(test)


def test_what_is_outlived_is_not_kept(run):
    async def test(make: Make, clock: ManualClock) -> None:
        there, cut_off = make(), make()
        there.is_told("tag:old", START)
        await there.copy.write()
        clock.advance(2 * KEEP_S)
        there.is_told("tag:young", number_at(clock.wall_s()))
        await there.copy.write()
        await cut_off.copy.read()
        assert cut_off.heard == ["tag:young"]

    run(test)


def test_a_purge_of_everything_takes_the_place_of_those_before(run):
    async def test(make: Make, _clock: ManualClock) -> None:
        there, cut_off = make(), make()
        there.is_told("tag:a", START + 10_000)
        await there.copy.write()
        there.is_told("all", START + 20_000)
        await there.copy.write()
        await cut_off.copy.read()
        assert cut_off.heard == ["all"]
        assert not cut_off.ledger.is_valid(START + 10_000, ("tag:z",))

    run(test)


def test_what_could_not_be_written_is_told_and_written_later(tmp_path: Path):
    async def body() -> None:
        state = tmp_path / "state"
        state.write_text("not a folder")
        store = open_store("sqlite", state, bounds=PATIENT)
        there = Process(store, ManualClock(NOW_S))
        there.is_told("tag:a", START)
        assert not await there.copy.write()
        await there.copy.read()
        state.unlink()
        assert await there.copy.write()
        assert await store.known_purges.read() == ({"tag:a": START}, START)
        await store.close()

    asyncio.run(body())
    assert (tmp_path / "state" / CACHE_FILE).exists()
