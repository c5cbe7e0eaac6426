"""`SimpleCache` in one process: what it holds, for how long, and how much."""

import itertools
import math
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headrace import SimpleCache
from headrace.clock import ManualClock
from headrace.store.faults import SchemaTooNew, StoreClosed, StoreFault
from headrace.toolkit.front import KEY_LENGTH_MAX
from headrace.toolkit.values import NotStorable

THREADS = 8


class Shelf:
    """A cache with a clock that stands still, and other openings of the same file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cache.db"
        self.clock = ManualClock()
        self._open: list[SimpleCache] = []
        self.cache = self.another(ttl_seconds=100)

    def another(self, **arguments: Any) -> SimpleCache:
        """One that has read nothing yet."""
        cache = SimpleCache(path=self.path, clock=self.clock, **arguments)
        self._open.append(cache)
        return cache

    def close(self) -> None:
        for cache in self._open:
            cache.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.close()


KEYS: tuple[Any, ...] = (
    "",
    b"",
    "a",
    b"a",
    "\ud800",
    "\ud801",
    "\x00",
    b"\x00",
    "k" * KEY_LENGTH_MAX,
    "k" * (KEY_LENGTH_MAX + 1),
    "x" * 3_000_000,
    b"x" * 3_000_000,
    "\u00e9",
    "e\u0301",
)


def test_keys_may_be_anything_and_are_not_confused(shelf: Shelf) -> None:
    for number, key in enumerate(KEYS):
        assert shelf.cache.set(key, number)
    for cache in (shelf.cache, shelf.another()):
        assert [cache.get(key) for key in KEYS] == list(range(len(KEYS)))
        assert [cache.get(key) for key in KEYS] == list(range(len(KEYS)))


@pytest.mark.parametrize("key", [1, None, ("a",), object()])
def test_other_keys_are_refused(shelf: Shelf, key: Any) -> None:
    with pytest.raises(TypeError, match="a key is text or bytes"):
        shelf.cache.get(key)
    with pytest.raises(TypeError, match="a key is text or bytes"):
        shelf.cache.set(key, 1)


@pytest.mark.parametrize(
    "value",
    [b"", "", None, False, 0, [], {"a": [1, {"b": None}]}, "\ud800", ["\ud800"], "x" * 10**6],
)
def test_values_come_back_as_they_were(shelf: Shelf, value: Any) -> None:
    shelf.cache.set("a", value)
    fresh = shelf.another()
    for cache in (shelf.cache, fresh, fresh):
        assert cache.get("a", "nothing") == value


def test_nobody_can_change_what_others_get(shelf: Shelf) -> None:
    value = {"list": [1]}
    shelf.cache.set("a", value)
    value["list"].append(2)
    for cache in (shelf.cache, shelf.another()):
        for _ in range(3):
            got = cache.get("a")
            assert got == {"list": [1]}
            got["list"].append(3)


def test_a_value_that_cannot_be_stored_leaves_the_old_one(shelf: Shelf) -> None:
    shelf.cache.set("a", 1)
    with pytest.raises(NotStorable):
        shelf.cache.set("a", {1, 2})
    assert shelf.cache.get("a") == 1


def test_times_are_kept(shelf: Shelf) -> None:
    shelf.cache.set("usual", 1)
    shelf.cache.set("brief", 2, ttl_override=10)
    shelf.cache.set("ever", 3, ttl_override=math.inf)
    for cache in (shelf.cache, shelf.another()):
        assert [cache.get(key) for key in ("usual", "brief", "ever")] == [1, 2, 3]
    shelf.clock.advance(10)
    for cache in (shelf.cache, shelf.another()):
        assert [cache.get(key) for key in ("usual", "brief", "ever")] == [1, None, 3]
    shelf.clock.advance(90)
    for cache in (shelf.cache, shelf.another()):
        assert [cache.get(key) for key in ("usual", "brief", "ever")] == [None, None, 3]
    shelf.clock.advance(1e9)
    assert shelf.cache.get("ever") == 3


def test_a_reader_may_want_it_younger_or_take_it_older(shelf: Shelf) -> None:
    shelf.cache.set("a", 1)
    shelf.clock.advance(50)
    for cache in (shelf.cache, shelf.another()):
        assert cache.get("a", ttl_override=50) is None
        assert cache.get("a", ttl_override=51) == 1
        assert cache.get("a", "none", ttl_override=0) == "none"
    shelf.clock.advance(100)
    for cache in (shelf.cache, shelf.another()):
        assert cache.get("a") is None
        assert cache.get("a", ttl_override=math.inf) == 1


def test_no_time_at_all_holds_nothing(shelf: Shelf) -> None:
    shelf.cache.set("a", 1)
    assert not shelf.cache.set("a", 2, ttl_override=0)
    assert shelf.another().get("a") is None


def test_a_clock_that_was_set_back_makes_nothing_last_longer(shelf: Shelf) -> None:
    shelf.clock.advance(10_000)
    shelf.cache.set("a", 1)
    shelf.clock.advance(-30)  # a small step: the value is about as old as it was
    for cache in (shelf.cache, shelf.another()):
        assert cache.get("a") == 1
    shelf.clock.advance(-5_000)
    for cache in (shelf.cache, shelf.another()):
        assert cache.get("a") is None
    assert shelf.cache.cleanup_expired() == 1


def test_one_value_can_be_dropped(shelf: Shelf) -> None:
    other = shelf.another()
    shelf.cache.set("a", 1)
    shelf.cache.set("b", 2)
    assert other.get("a") == 1
    assert (shelf.cache.invalidate("a"), shelf.cache.invalidate("a")) == (1, 0)
    assert (shelf.cache.get("a"), other.get("a"), other.get("b")) == (None, None, 2)


def test_all_can_be_dropped(shelf: Shelf) -> None:
    other = shelf.another()
    for number in range(50):
        shelf.cache.set(f"{number}", number)
        assert other.get(f"{number}") == number
    assert other.invalidate() == 50
    assert [shelf.cache.get(f"{number}") for number in range(50)] == [None] * 50
    assert shelf.cache.get_size() == 0


def test_what_is_too_old_can_be_dropped_at_once(shelf: Shelf) -> None:
    for number in range(2500):
        shelf.cache.set(f"{number}", number, ttl_override=10 if number % 2 else 1000)
    shelf.clock.advance(11)
    assert (shelf.cache.cleanup_expired(), shelf.cache.cleanup_expired()) == (1250, 0)
    assert shelf.another().get("2", ttl_override=math.inf) == 2
    assert shelf.another().get("1", ttl_override=math.inf) is None


def test_the_size_is_that_of_what_is_held(shelf: Shelf) -> None:
    assert shelf.cache.get_size() == 0
    for number in range(10):
        shelf.cache.set(f"{number}", os.urandom(50_000))
    assert 500_000 <= shelf.cache.get_size() < 600_000


def test_the_file_is_bounded_and_the_oldest_leave_by_and_by(shelf: Shelf) -> None:
    cache = shelf.another(max_size_mb=2)
    for number in range(1000):
        assert cache.set(f"{number}", os.urandom(4000))
        assert cache.get_size() <= 2_000_000
    assert shelf.path.stat().st_size <= 2_000_000
    held = [number for number in range(1000) if shelf.another().get(f"{number}") is not None]
    assert held == list(range(held[0], 1000))
    assert len(held) * 4000 + cache.get_size() % 1 > 0.7 * 2_000_000


def test_room_is_made_in_steps_until_the_share_is_free(shelf: Shelf) -> None:
    cache = shelf.another(max_size_mb=4, eviction_percentage=50)
    sizes = []
    for number in range(2000):
        cache.set(f"{number}", os.urandom(3000))
        sizes.append(cache.get_size())
    steps = [before - after for before, after in itertools.pairwise(sizes)]
    assert max(steps) < 800_000
    assert min(sizes[sizes.index(max(sizes)) :]) < 2_200_000


def test_what_is_used_stays_longer_than_what_is_not(shelf: Shelf) -> None:
    cache = shelf.another(max_size_mb=2)
    for number in range(3000):
        cache.set(f"{number}", os.urandom(4000))
        assert cache.get("0") is not None, number
    assert cache.get("1") is None


def test_a_large_value_pushes_out_as_much_as_it_needs(shelf: Shelf) -> None:
    cache = shelf.another(max_size_mb=4)
    for number in range(1200):
        cache.set(f"{number}", os.urandom(3000))
    large = os.urandom(3_000_000)
    assert cache.set("large", large)
    assert cache.get("large") == shelf.another().get("large") == large
    assert cache.get_size() <= 4_000_000


def test_what_is_larger_than_the_cache_is_not_held(shelf: Shelf) -> None:
    cache = shelf.another(max_size_mb=1)
    cache.set("small", 1)
    cache.set("a", 2)
    assert not cache.set("a", bytes(1_000_000))
    assert (cache.get("a"), cache.get("small")) == (None, 1)


def test_it_is_found_again_after_the_end(shelf: Shelf) -> None:
    shelf.cache.set("a", {"b": 1})
    shelf.cache.close()
    shelf.cache.close()
    assert shelf.another().get("a") == {"b": 1}
    for use in (lambda: shelf.cache.get("a"), lambda: shelf.cache.set("a", 1)):
        with pytest.raises(StoreClosed, match="closed"):
            use()


def test_it_can_be_used_in_a_with_block(tmp_path: Path) -> None:
    with SimpleCache(path=tmp_path / "deep" / "er" / "cache.db") as cache:
        cache.set("a", 1)
    with pytest.raises(StoreClosed):
        cache.get("a")
    assert not (tmp_path / "deep" / "er" / "cache.db-wal").exists()


def test_the_file_is_its_owners_alone(shelf: Shelf) -> None:
    shelf.cache.set("a", "secret")
    for file in shelf.path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE precious (value)")
    with pytest.raises(StoreFault, match="belongs to another program"):
        SimpleCache(path=path)
    with closing(sqlite3.connect(path)) as theirs:
        assert theirs.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


def test_a_file_of_a_newer_version_is_left_alone(shelf: Shelf) -> None:
    shelf.cache.set("a", 1)
    shelf.cache.close()
    with closing(sqlite3.connect(shelf.path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(SchemaTooNew):
        shelf.another()


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "cache.db"):
        with pytest.raises(StoreFault, match="could not be used"):
            SimpleCache(path=path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"ttl_seconds": -1}, "ttl_seconds is -1"),
        ({"ttl_seconds": math.nan}, "ttl_seconds is nan"),
        ({"max_size_mb": 0.5}, "max_size_mb is 0.5"),
        ({"max_size_mb": math.nan}, "max_size_mb is nan"),
        ({"eviction_percentage": 0}, "eviction_percentage is 0"),
        ({"eviction_percentage": 101}, "eviction_percentage is 101"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SimpleCache(path=tmp_path / "cache.db", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        "value = CAST('wrong' AS BLOB)",
        "value = 'text'",
        "value = 7",
        "kind = 0",
        "kind = 7",
        "kind = 'text'",
        "ttl_s = ttl_s + 1",
        "ttl_s = 'text'",
        "stored_s = stored_s + 1",
        "crc = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_damaged_value_is_a_miss_and_leaves(shelf: Shelf, damage: str) -> None:
    shelf.cache.set("a", {"right": 1})
    shelf.cache.set("b", "untouched")
    with closing(sqlite3.connect(shelf.path, isolation_level=None)) as other:
        other.execute(f"UPDATE entry SET {damage} WHERE id = 1")  # noqa: S608
    fresh = shelf.another()
    assert (fresh.get("a"), fresh.get("b")) == (None, "untouched")
    assert shelf.cache.invalidate("a") == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sqlite_master SET sql = replace(sql, 'stored_s', 'stores_s')",
        "UPDATE sqlite_master SET sql = replace(sql, 'CREATE', 'CRE\u00c1TE')",
        "UPDATE sqlite_master SET sql = CAST(x'435245c154' AS TEXT)",
        "DELETE FROM sqlite_master WHERE type = 'index'",
        "PRAGMA user_version = 0",
    ],
)
def test_a_file_whose_table_is_not_as_it_was_made_is_moved_aside(shelf: Shelf, damage: str) -> None:
    shelf.cache.set("a", 1)
    shelf.cache.close()
    with closing(sqlite3.connect(shelf.path, isolation_level=None)) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute(damage)
    cache = shelf.another()
    assert cache.get("a") is None
    assert cache.set("a", 2)
    assert shelf.another().get("a") == 2
    assert shelf.path.with_name("cache.db.corrupt").exists()


def test_a_value_of_a_subclass_is_the_same_for_all(shelf: Shelf) -> None:
    class Word(str):
        __slots__ = ()

    for value in (Word("a"), Word("\ud800")):
        shelf.cache.set("a", value)
        assert [type(cache.get("a")) for cache in (shelf.cache, shelf.another())] == [str, str]


def test_threads_share_one_cache(shelf: Shelf) -> None:
    cache = shelf.another(max_size_mb=1)
    start = threading.Barrier(THREADS)

    def hammer(seed: int) -> int:
        start.wait(60)
        state, hits = seed + 1, 0
        for _ in range(250):
            state = state * 1_103_515_245 + 12_345 & 0x7FFFFFFF
            key = f"{(state >> 8) % 60}"
            if state % 3 == 0:
                cache.set(key, {"key": key, "text": "x" * (state % 9000)})
            elif state % 41 == 0:
                cache.invalidate(key)
            else:
                value = cache.get(key)
                hits += value is not None
                assert value is None or value["key"] == key
        return hits

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(hammer, range(THREADS))) > 0
    assert cache.get_size() <= 1_000_000
