"""One `SimpleCache` in several processes: what is seen, what is left behind by those who die."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from headrace import SimpleCache

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60

SERVANT = """
import json, sys
from headrace import SimpleCache
with SimpleCache(path=sys.argv[1], max_size_mb=float(sys.argv[2])) as cache:
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(cache, name)(*arguments)), flush=True)
"""

WRITER = """
import sys
from headrace import SimpleCache
cache = SimpleCache(path=sys.argv[1], max_size_mb=8)
number = 0
while True:
    cache.set(f"key {number % 300}", {"number": number, "text": "x" * (number % 7000)})
    print(number, flush=True)
    number += 1
"""

SHARED = """
import sys
from headrace import SimpleCache
mine = int(sys.argv[2])
with SimpleCache(path=sys.argv[1], max_size_mb=4) as cache:
    for number in range(600):
        cache.set(f"{mine} {number}", [mine, number, "x" * (number % 5000)])
        cache.set("counter", [mine, number])
        other = cache.get("counter")
        assert other[0] in (0, 1, 2) and 0 <= other[1] < 600, other
        seen = cache.get(f"{(mine + 1) % 3} {number}")
        assert seen is None or seen[:2] == [(mine + 1) % 3, number], seen
        assert cache.get_size() <= 4_000_000
        if number % 100 == 99:
            cache.invalidate(f"{mine} {number}")
            assert cache.get(f"{mine} {number}") is None
"""


class Servant:
    """Another process that has the cache open, and does what it is told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def __call__(self, name: str, *arguments: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


def started(program: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(path: Path, max_size_mb: float = 100) -> Iterator[Servant]:
    with started(SERVANT, path, max_size_mb) as process:
        try:
            servant = Servant(process)
            assert servant.answer() == "ready"
            yield servant
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok")


def test_what_one_process_does_the_other_sees_at_once(path: Path) -> None:
    with SimpleCache(path=path) as here, serving(path) as there:
        for number in range(100):
            there("set", "a", number)
            assert here.get("a") == number
            assert here.get("a") == number  # from this process's memory
            here.set("a", [number])
            assert there("get", "a") == [number]
        there("set", "b", 1)
        assert here.get("b") == 1
        there("invalidate", "a")
        assert (here.get("a"), here.get("b")) == (None, 1)
        there("invalidate")
        assert (here.get("a"), here.get("b")) == (None, None)


def test_processes_that_write_at_the_same_time_leave_it_whole(path: Path) -> None:
    processes = [started(SHARED, path, number) for number in range(3)]
    for process in processes:
        with process:
            assert process.wait(LIMIT_S) == 0
    assert is_sound(path)
    assert path.stat().st_size <= 4_000_000


def test_a_process_killed_in_a_write_leaves_it_whole_and_in_use(path: Path) -> None:
    with SimpleCache(path=path, max_size_mb=8) as cache:
        for attempt in range(6):
            with started(WRITER, path) as writer:
                assert writer.stdout is not None
                said = [int(writer.stdout.readline()) for _ in range(40 + attempt * 50)]
                writer.kill()
                said += map(int, writer.stdout.read().split())
            for number in range(max(0, said[-1] - 250), said[-1] + 1):
                value = cache.get(f"key {number % 300}")
                assert value["number"] in (number, number + 300)  # the last one may not be said
                assert value["text"] == "x" * (value["number"] % 7000)
            assert cache.set("after", attempt)
            assert cache.get("after") == attempt
    assert is_sound(path)


def test_what_a_killed_writer_announced_keeps_nobody_from_remembering(path: Path) -> None:
    with SimpleCache(path=path) as cache:
        cache.set("a", 1)
        cache.book._turns.begin(None)  # as if it had been killed right then
        assert [cache.get("a"), cache.get("a")] == [1, 1]
        assert not is_remembered(cache, "a")
    with SimpleCache(path=path) as cache:
        assert [cache.get("a"), cache.get("a")] == [1, 1]
        assert is_remembered(cache, "a")


def is_remembered(cache: SimpleCache, key: str) -> bool:
    held = cache.book._front.held.get(key)
    return held is not None and cache.book._begun[held.slot] == held.turn


def test_a_stopped_process_that_holds_the_file_delays_writers_only_so_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.store.disk_cache_file.BUSY_S", 0.05)
    from headrace import StoreBusy

    with SimpleCache(path=path) as cache:
        cache.set("a", 1)
        cache.book._front.clear()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusy, match="another process kept it"):
                cache.set("a", 2)
            assert cache.get("a") == 1
        assert cache.set("a", 2)
        assert cache.get("a") == 2


def test_a_child_process_uses_the_same_cache(path: Path) -> None:
    program = """
import os, sys
from headrace import SimpleCache
with SimpleCache(path=sys.argv[1]) as cache:
    cache.set("a", "parent")
    file = cache.book._disk._file
    parents = file._connection
    child = os.fork()
    if child == 0:
        assert cache.get("a") == "parent"
        assert cache.set("b", "child")
        assert file._connection is not parents  # whose locks a child would not have
        cache.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get("b") == "child"
    assert cache.set("a", "parent again")
    assert cache.get("a") == "parent again"
"""
    with started(program, path) as process:
        assert process.wait(LIMIT_S) == 0
    assert is_sound(path)


def damage_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"no database at all, but something else" * 100)


def damage_rows(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(size - 3 * 4096))


@pytest.mark.parametrize("damage", [damage_head, damage_rows])
def test_a_damaged_file_is_moved_aside(path: Path, damage: Any) -> None:
    with SimpleCache(path=path) as cache:
        for number in range(300):
            cache.set(f"{number}", "x" * 1000)
    damage(path)
    damaged = path.read_bytes()
    with SimpleCache(path=path) as cache:
        values = [cache.get(f"{number}") for number in range(300)]
        assert set(values) <= {None, "x" * 1000}
        assert None in values
        assert cache.set("new", 1)
        assert cache.get("new") == 1
    assert is_sound(path)
    assert (path.with_name("cache.db.corrupt")).read_bytes() == damaged


def test_damage_found_by_one_process_is_survived_by_all(path: Path) -> None:
    with SimpleCache(path=path) as here, serving(path) as there:
        for number in range(2000):
            here.set(f"{number}", "x" * 1000)
        assert there("get", "5") == "x" * 1000
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage_rows(path)
        with SimpleCache(path=path) as fresh:
            for number in range(2000):
                fresh.get(f"{number}")
            assert path.with_name("cache.db.corrupt").exists()
            assert there("get", "5") is None
            assert there("set", "5", "again")
            assert [cache.get("5") for cache in (here, fresh)] == ["again", "again"]
            assert here.set("6", "again")
            assert there("get", "6") == "again"
    assert is_sound(path)


def test_only_the_last_damaged_file_is_kept(path: Path) -> None:
    for _ in range(3):
        path.write_bytes(os.urandom(10_000))
        with SimpleCache(path=path) as cache:
            assert cache.set("a", 1)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "cache.db",
        "cache.db-turns",
        "cache.db.corrupt",
    ]


def test_an_interrupt_leaves_the_file_to_others(path: Path) -> None:
    with SimpleCache(path=path) as cache, started(WRITER, path) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        writer.send_signal(signal.SIGINT)
        writer.communicate(timeout=LIMIT_S)
        assert cache.set("a", 1)
