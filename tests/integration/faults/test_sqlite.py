"""Whatever becomes of the file, its disk or its process, callers get right answers."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE
from typing import Any

import psutil
import pytest
from tests.support.gateway import Gateway
from tests.support.small_disk import fill, small_disk
from tests.support.tiered import (
    BACK_TIMEOUT_S,
    UP,
    asking,
    calling,
    changes,
    lookups,
    state,
    tiered,
    truth,
    words,
    writes,
)
from tests.support.waiting import eventually

from headrace.sim.thread import ThreadedSim
from headrace.store.open import CACHE_FILE

DISK_BYTES = 2 * 1024 * 1024
READ_ONLY = ("read-only", 1.0)
OLD = "What was there before?"


def durable(sim: ThreadedSim, folder: Path) -> dict[str, Any]:
    cache = {"durable": True, "tier_timeout_ms": 2000}
    return tiered(sim, cache=cache, data_dir=str(folder))


def kept(gateway: Gateway, text: str) -> None:
    """Ask, and see to it that the answer is on the disk."""
    before = writes(gateway, "l3")
    assert asking(gateway, text).status == 200
    eventually(lambda: writes(gateway, "l3") > before)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, DISK_BYTES) as folder:
        yield folder


def goes_on_without_room(gateway: Gateway, sim: ThreadedSim) -> None:
    """Callers are answered, the state is told, and what is there is given."""
    right = truth(sim, OLD)
    with calling(gateway, sim) as callers:
        numbers = itertools.count()

        def has_no_room() -> bool:
            """There is some room in the file itself, until enough has come."""
            asking(gateway, f"What is {next(numbers)}?")
            return state(gateway, "l3") == READ_ONLY

        eventually(has_no_room, BACK_TIMEOUT_S)
        callers.answered()
        assert writes(gateway, "l3", "failed") > 0
        found = eventually(lambda: in_l3(gateway, OLD), BACK_TIMEOUT_S)
    assert found == right
    eventually(lambda: changes(gateway, "l3 writes") == ["tier_down"])


def is_used_again(gateway: Gateway, sim: ThreadedSim) -> None:
    with calling(gateway, sim) as callers:
        callers.finds_in("l3")
        eventually(lambda: state(gateway, "l3") == UP, BACK_TIMEOUT_S)
    eventually(lambda: changes(gateway, "l3 writes") == ["tier_down", "tier_up"])


def in_l3(gateway: Gateway, text: str) -> str | None:
    response = asking(gateway, text)
    return words(response) if response.cache == "l3" else None


def pushed_out(gateway: Gateway) -> None:
    """Memory holds one answer only."""
    asking(gateway, "Something else.")


def test_a_full_disk(sim: ThreadedSim, disk: Path, tmp_path: Path):
    with Gateway(tmp_path, durable(sim, disk)) as gateway:
        kept(gateway, OLD)
        filler = fill(disk)
        goes_on_without_room(gateway, sim)
        filler.unlink()
        is_used_again(gateway, sim)


@pytest.mark.heavy
def test_a_file_that_may_not_grow(sim: ThreadedSim, tmp_path: Path):
    with Gateway(tmp_path / "gateway", durable(sim, tmp_path)) as gateway:
        kept(gateway, OLD)
        process = psutil.Process(gateway.process.pid)
        process.rlimit(RLIMIT_FSIZE, (64 * 1024, RLIM_INFINITY))
        goes_on_without_room(gateway, sim)
        process.rlimit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
        is_used_again(gateway, sim)


def test_damaged_while_it_is_in_use(sim: ThreadedSim, tmp_path: Path):
    file = tmp_path / CACHE_FILE
    with Gateway(tmp_path / "gateway", durable(sim, tmp_path)) as gateway:
        with calling(gateway, sim) as callers:
            callers.finds_in("l3")
            with closing(sqlite3.connect(file)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with file.open("r+b") as opened:
                opened.seek(4096)
                opened.write(b"\xa5" * (file.stat().st_size - 4096))
            aside = file.with_name(CACHE_FILE + ".damaged")
            eventually(lambda: callers.answered(1) and aside.exists(), BACK_TIMEOUT_S)
            callers.finds_in("l3")
            eventually(lambda: state(gateway, "l3") == UP, BACK_TIMEOUT_S)
        eventually(lambda: "store_damaged" in {line["event"] for line in gateway.events()})


def test_a_damaged_value(sim: ThreadedSim, tmp_path: Path):
    with Gateway(tmp_path / "gateway", durable(sim, tmp_path)) as gateway:
        kept(gateway, OLD)
        kept(gateway, "Something else, to push it out of memory.")
        with closing(sqlite3.connect(tmp_path / CACHE_FILE)) as db, db:
            for number, value in db.execute("SELECT id, value FROM headrace_answers").fetchall():
                flipped = value[:-9] + bytes((value[-9] ^ 0x10,)) + value[-8:]
                db.execute("UPDATE headrace_answers SET value = ? WHERE id = ?", (flipped, number))
        again = asking(gateway, OLD)
        assert (again.cache, words(again)) == ("miss", truth(sim, OLD))
        assert lookups(gateway, "l3", "invalid") == 1
        asking(gateway, "Something else, to push it out of memory.")
        assert eventually(lambda: in_l3(gateway, OLD) or pushed_out(gateway)) == words(again)


def test_killed_in_a_write(sim: ThreadedSim, tmp_path: Path):
    for attempt in range(3):
        gateway = Gateway(tmp_path / f"gateway {attempt}", durable(sim, tmp_path))
        with calling(gateway, sim) as callers:
            callers.finds_in("l3")  # also what the one before has left
            callers.answered(20 * attempt)
            callers.is_lost = True
            gateway.kill()
        with closing(sqlite3.connect(tmp_path / CACHE_FILE)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
