"""Warming an `AdaptiveCache`: what is missing is computed once, until there is no room."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import AdaptiveCache, Warmed

LIMIT_S = 60


def made(**arguments: int) -> AdaptiveCache[str, str]:
    return AdaptiveCache(**arguments)


def test_what_is_missing_is_computed() -> None:
    cache = made(max_size=100)
    cache.set("b", "held")
    assert cache.warm("abcab", str.upper) == Warmed(3 - 1, 3, 0, "", False)
    assert [cache.get(key) for key in "abc"] == ["A", "held", "C"]
    assert cache.warm("abc", str.upper).held == 3


def test_keys_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "questions.txt"
    path.write_text("why?\nhow?\n")
    cache = made(max_size=100)
    with path.open() as lines:
        assert cache.warm(map(str.strip, lines), str.upper).computed == 2
    assert cache.get("how?") == "HOW?"


def test_it_ends_where_there_is_no_room_left() -> None:
    read = []

    def keys() -> Iterator[str]:
        for number in range(1_000_000):
            read.append(number)
            yield f"{number}"

    cache = made(max_size=10)
    warmed = cache.warm(keys(), str.upper, threads=1)
    assert (warmed.computed, warmed.is_full, len(read)) == (10, True, 11)
    assert cache.stats().cache.evictions == 0
    cache = made(max_bytes=50_000)
    warmed = cache.warm((f"{number}" for number in range(1000)), lambda key: key * 1000, threads=1)
    assert warmed.is_full
    assert warmed.computed > 5
    assert cache.stats().cache.evictions <= 1


def test_errors_are_counted_and_the_rest_is_computed() -> None:
    cache = made(max_size=100)

    def compute(key: str) -> str:
        return f"{1 / int(key)}"

    warmed = cache.warm("0102", compute, threads=2)
    assert (warmed.computed, warmed.failed) == (2, 2)
    assert warmed.last_error == (
        "ZeroDivisionError in test_errors_are_counted_and_the_rest_is_computed.<locals>.compute"
    )


def test_several_are_computed_at_once() -> None:
    cache = made(max_size=100)
    together = threading.Barrier(3)

    def compute(key: str) -> str:
        together.wait(LIMIT_S)
        return key

    assert cache.warm("abcdef", compute, threads=3).computed == 6


def test_coroutines_are_warmed_too() -> None:
    cache = made(max_size=5)
    running: list[int] = []
    now = 0

    async def compute(key: str) -> str:
        nonlocal now
        now += 1
        running.append(now)
        await asyncio.sleep(0)
        now -= 1
        if key == "b":
            raise ValueError(key)
        return key.upper()

    warmed = asyncio.run(cache.warm_async("abcdefgh", compute, tasks=2))
    assert (warmed.computed, warmed.failed, warmed.is_full) == (5, 1, True)
    assert max(running) == 2


def test_keys_that_cannot_be_read_end_it_with_their_error() -> None:
    def keys() -> Iterator[str]:
        yield "a"
        raise OSError("gone")

    async def compute(key: str) -> str:
        return key

    cache = made(max_size=5)
    with pytest.raises(OSError, match="gone"):
        cache.warm(keys(), str.upper)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(cache.warm_async(keys(), compute))


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_that_makes_no_sense_is_refused(threads: int) -> None:
    with pytest.raises(ValueError, match="threads is"):
        made(max_size=5).warm("a", str.upper, threads=threads)
