"""What becomes of a SQLite store when its disk, its file or its process fails."""

import asyncio
import itertools
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.small_disk import small_disk
from tests.support.stores import BATCH, NOW_S, PATIENT, Place, assert_whole, key, row, writer

from headrace.store.bounds import StoreBounds
from headrace.store.faults import StoreBusy, StoreFault, StoreFull
from headrace.store.open import CACHE_FILE
from headrace.store.store import Store

FULL_BYTES = 2 * 1024 * 1024


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("sqlite", tmp_path)


class Said:
    """Collects what a store says."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def __call__(self, level: str, event: str, about: str = "", **fields: Any) -> None:
        self.events.append((level, event, about))


def fill(place: Place, count: int = 200) -> None:
    rows = [row(n, value=os.urandom(3000)) for n in range(count)]
    place.use(lambda store: store.answers.put_many(rows, NOW_S))


def file_of(place: Place) -> Path:
    return place.folder / CACHE_FILE


def damage_header(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(b"no database at all")


def damage_middle(file: Path) -> None:
    """All pages but the first few, which name the tables."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(12 * 4096)
        opened.write(os.urandom(size - 12 * 4096))


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def replace_by_text(file: Path) -> None:
    file.write_text("Dear diary, " * 1000)


async def recover(store: Store) -> None:
    """Ask until damage was met; then it is a new store, and works."""
    for number in range(200):
        try:
            await store.answers.get(key(number), NOW_S)
        except StoreFault:
            continue
    await store.answers.put_many([row(n) for n in range(20)], NOW_S)
    assert await store.answers.get(key(7), NOW_S) == b"value 7"


@pytest.mark.parametrize("damage", [damage_header, damage_middle, truncate, replace_by_text])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(place: Place, damage: Any) -> None:
    fill(place)
    damage(file_of(place))
    said = Said()
    place.use(recover, say=said)
    assert [event[:2] for event in said.events] == [("error", "store_damaged")]
    assert file_of(place).with_name(CACHE_FILE + ".damaged").exists()
    assert sound(file_of(place))


def test_damage_is_met_while_the_file_is_in_use(place: Place) -> None:
    fill(place)

    async def use(store: Store) -> None:
        await store.answers.get(key(0), NOW_S)
        damage_middle(file_of(place))
        await recover(store)

    place.use(use)


def test_two_who_find_the_damage_at_once_move_it_once(place: Place) -> None:
    fill(place)
    damage_header(file_of(place))
    said = Said()

    async def use(first: Store) -> None:
        async with place.opened(say=said) as second:
            outcomes = await asyncio.gather(
                *(
                    store.answers.put_many([row(n)], NOW_S)
                    for n, store in enumerate([first, second])
                ),
                return_exceptions=True,
            )
            assert all(o == 1 or isinstance(o, StoreFault) for o in outcomes)
            for number, store in enumerate([first, second]):
                await store.answers.put_many([row(10 + number)], NOW_S)
            for store in (first, second):
                assert await store.answers.get(key(10), NOW_S) == b"value 10"
                assert await store.answers.get(key(11), NOW_S) == b"value 11"

    place.use(use, say=said)
    assert len(said.events) == 1


def test_the_numbers_of_purges_go_on_above_those_of_the_damaged_file(place: Place) -> None:
    before = place.use(lambda store: store.purges.publish("all", NOW_S))
    fill(place)
    damage_header(file_of(place))

    async def use(store: Store) -> None:
        await recover(store)
        purges = await store.purges.since(before)
        assert purges.latest > before
        assert not purges.is_complete

    place.use(use)


def test_a_removed_file_is_made_anew(place: Place) -> None:
    fill(place)

    async def use(store: Store) -> None:
        assert await store.answers.get(key(1), NOW_S) is not None
        for part in ("", "-wal", "-shm"):
            file_of(place).with_name(CACHE_FILE + part).unlink(missing_ok=True)
        await store.answers.maintain(NOW_S)
        assert await store.answers.get(key(1), NOW_S) is None
        await store.answers.put_many([row(1)], NOW_S)

    place.use(use)
    assert place.use(lambda store: store.answers.get(key(1), NOW_S)) == b"value 1"


def test_a_place_that_cannot_be_opened_is_a_fault_until_it_can(place: Place) -> None:
    file_of(place).mkdir()

    async def use(store: Store) -> None:
        with pytest.raises(StoreFault, match=CACHE_FILE):
            await store.ready()
        with pytest.raises(StoreFault, match=CACHE_FILE):
            await store.answers.get(key(1), NOW_S)
        file_of(place).rmdir()
        await store.ready()
        assert await store.answers.get(key(1), NOW_S) is None

    place.use(use)


def test_who_cannot_write_in_time_is_told_so_and_reads_go_on(place: Place) -> None:
    fill(place)
    bounds = StoreBounds(read_limit_s=PATIENT.read_limit_s, write_limit_s=0.2)

    async def use(store: Store) -> None:
        await store.ready(30.0)
        with closing(sqlite3.connect(file_of(place), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFault):
                await store.answers.put_many([row(1000)], NOW_S)
            assert await store.answers.get(key(1), NOW_S) is not None
        async with asyncio.timeout(60):
            while True:
                try:
                    await store.answers.put_many([row(1000)], NOW_S)
                except (StoreBusy, StoreFault):
                    continue
                break

    place.use(use, bounds=bounds)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, FULL_BYTES) as folder:
        yield folder


async def fill_up(store: Store) -> int:
    """Put answers until there is no room; returns how many."""
    for batch in itertools.count():
        rows = [row(batch * BATCH + n, value=os.urandom(4000)) for n in range(BATCH)]
        try:
            await store.answers.put_many(rows, NOW_S)
        except StoreFull:
            assert batch > 0
            return batch * BATCH
    raise AssertionError("the disk is never full")


def test_a_full_disk_fails_writes_and_not_reads(disk: Path) -> None:
    async def use(store: Store) -> None:
        written = await fill_up(store)
        held = await store.answers.get_many([key(n) for n in range(written)], NOW_S)
        assert len(held) == written
        with pytest.raises(StoreFull):
            await store.answers.put_many([row(1, value=os.urandom(FULL_BYTES))], NOW_S)
        assert await store.answers.get(key(1), NOW_S) == held[key(1)]

    Place("sqlite", disk).use(use)


LIMITED = """
import asyncio, os, resource, sys
from pathlib import Path
from headrace.store.faults import StoreFault
from tests.support.stores import NOW_S, Place, key, row

async def use(store):
    await store.ready()
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    written = 0
    try:
        for n in range(10_000):
            await store.answers.put_many([row(n, value=os.urandom(4000))], NOW_S)
            written += 1
    except StoreFault as fault:
        print(type(fault).__name__, flush=True)
    held = await store.answers.get_many([key(n) for n in range(written)], NOW_S)
    assert 0 < len(held) == written, (len(held), written)

Place("sqlite", Path(sys.argv[1])).use(use)
"""


@pytest.mark.heavy
def test_a_file_that_may_not_grow_fails_writes_and_not_reads(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(limit=FULL_BYTES), tmp_path],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": "src:."},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Store")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != FULL_BYTES


def test_a_process_killed_in_a_write_leaves_nothing_half(place: Place) -> None:
    process = writer(place, 0, 1)
    assert process.stdout is not None
    with process:
        said = [int(process.stdout.readline()) for _ in range(20)]
        process.kill()
        said += map(int, process.stdout.read().split())
    place.use(lambda store: assert_whole(store, said, (said[-1] + 2) * BATCH))
    assert sound(file_of(place))


def test_two_processes_share_a_file(place: Place) -> None:
    first, second = writer(place, 0, 2, 30), writer(place, 1, 2, 30)
    for process in (first, second):
        process.communicate(timeout=100)
        assert process.returncode == 0
    place.use(lambda store: assert_whole(store, range(60), 61 * BATCH))


def test_the_file_is_nobody_elses_business(place: Place) -> None:
    fill(place, 2)
    modes = {path.stat().st_mode & 0o077 for path in place.folder.glob(CACHE_FILE + "*")}
    assert modes == {0}


def test_free_pages_are_given_back(place: Place) -> None:
    fill(place, 2000)
    before = file_of(place).stat().st_size

    async def use(store: Store) -> None:
        await store.answers.purge("all")
        for _ in range(5):
            await store.answers.maintain(NOW_S)

    place.use(use)
    assert file_of(place).stat().st_size < before / 2


def sound(file: Path) -> bool:
    """Whether SQLite finds nothing wrong with a file."""
    with closing(sqlite3.connect(file)) as connection:
        found: list[tuple[str]] = connection.execute("PRAGMA integrity_check").fetchall()
        return found == [("ok",)]
