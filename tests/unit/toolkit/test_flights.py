"""Single-flight between threads: nothing is computed twice, and nobody waits for ever."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.waiting import eventually

from headrace import Cache, cached
from headrace.clock import ManualClock

THREADS = 8
LIMIT_S = 60


class Gate:
    """A computation that says when it has begun, and ends when it is let."""

    def __init__(self, outcome: Callable[[int], Any] = lambda number: number) -> None:
        self.calls = 0
        self.begun = threading.Event()
        self.let = threading.Event()
        self._outcome = outcome

    def __call__(self) -> Any:
        self.calls += 1
        number = self.calls
        self.begun.set()
        assert self.let.wait(LIMIT_S)
        return self._outcome(number)


def joined(cache: Cache[Any, Any], count: int) -> Callable[[], bool]:
    return lambda: cache.stats().joined == count


def fail(number: int) -> None:
    raise ValueError(f"attempt {number}")


def test_threads_that_want_the_same_share_one_computation() -> None:
    cache: Cache[str, int] = Cache()
    gate = Gate()
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(cache.get_or_compute, "a", gate) for _ in range(THREADS)]
        eventually(joined(cache, THREADS - 1))
        gate.let.set()
        assert [each.result(LIMIT_S) for each in asked] == [1] * THREADS
    assert (gate.calls, cache.get("a")) == (1, 1)


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    cache: Cache[str, int] = Cache()
    gate = Gate(fail)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(cache.get_or_compute, "a", gate) for _ in range(3)]
        eventually(joined(cache, 2))
        gate.let.set()
        for each in asked:
            with pytest.raises(ValueError, match="attempt 1"):
                each.result(LIMIT_S)
    assert cache.get_or_compute("a", lambda: 2) == 2


def test_when_the_first_is_interrupted_another_takes_over() -> None:
    def outcome(number: int) -> int:
        if number == 1:
            raise KeyboardInterrupt
        return number

    cache: Cache[str, int] = Cache()
    gate = Gate(outcome)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(cache.get_or_compute, "a", gate)
        assert gate.begun.wait(LIMIT_S)
        others = [pool.submit(cache.get_or_compute, "a", gate) for _ in range(2)]
        eventually(joined(cache, 2))
        gate.let.set()
        with pytest.raises(KeyboardInterrupt):
            first.result(LIMIT_S)
        assert [each.result(LIMIT_S) for each in others] == [2, 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.delete("a"),
        lambda cache: cache.clear(),
        lambda cache: cache.set("a", "newer"),
    ],
    ids=["delete", "clear", "set"],
)
def test_what_was_under_way_before_a_change_is_not_kept(change: Callable[[Any], Any]) -> None:
    cache: Cache[str, Any] = Cache()
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get_or_compute, "a", gate)
        assert gate.begun.wait(LIMIT_S)
        change(cache)
        expected = cache.get("a")
        gate.let.set()
        assert first.result(LIMIT_S) == 1
    assert cache.get("a") == expected
    assert cache.get_or_compute("b", lambda: 7) == 7


def test_who_comes_after_a_change_does_not_join_what_began_before() -> None:
    cache: Cache[str, int] = Cache()
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get_or_compute, "a", gate)
        assert gate.begun.wait(LIMIT_S)
        cache.delete("a")
        assert cache.get_or_compute("a", lambda: 99) == 99
        gate.let.set()
        assert first.result(LIMIT_S) == 1
    assert cache.get("a") == 99


def test_invalidating_a_call_under_way_keeps_its_answer_out() -> None:
    gate = Gate()
    function = cached(lambda number: gate())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(function, 5)
        assert gate.begun.wait(LIMIT_S)
        assert not function.invalidate(5)
        gate.let.set()
        assert first.result(LIMIT_S) == 1
    assert function(5) == 2


def test_a_stale_answer_is_given_while_a_thread_computes_the_new_one() -> None:
    clock = ManualClock()
    cache: Cache[Any, Any] = Cache(clock=clock)
    gate = Gate()
    gate.let.set()
    function = cached(ttl=10, stale=5, backend=cache)(gate)
    assert function() == 1
    clock.advance(12)
    gate.let.clear()
    gate.begun.clear()
    assert [function(), function()] == [1, 1]
    assert gate.begun.wait(LIMIT_S)
    assert function() == 1
    gate.let.set()
    eventually(lambda: function() == 2)
    assert gate.calls == 2
    clock.advance(16)
    assert function() == 3  # too old to be given: it is waited for


def test_a_refresh_that_fails_is_counted_and_left_alone_for_a_while() -> None:
    clock = ManualClock()
    calls = []

    def answer() -> int:
        calls.append(clock.monotonic_s())
        if len(calls) == 2:
            raise ValueError("down")
        return len(calls)

    function = cached(ttl=10, stale=100, backend=Cache(clock=clock))(answer)
    function()
    clock.advance(11)
    assert function() == 1
    eventually(lambda: function.cache_errors().refresh_errors == 1)
    assert function.cache_errors().last_refresh_error == "ValueError"
    assert [function() for _ in range(5)] == [1] * 5
    assert len(calls) == 2
    clock.advance(10)
    assert function() == 1
    eventually(lambda: function() == 3)


def test_refreshes_at_once_are_bounded() -> None:
    from headrace.toolkit.refresh import REFRESHES_MAX

    clock = ManualClock()
    gate = Gate()
    gate.let.set()
    function = cached(ttl=10, stale=100, backend=Cache(clock=clock))(lambda number: gate())
    for number in range(REFRESHES_MAX + 5):
        function(number)
    clock.advance(11)
    gate.let.clear()
    for number in range(REFRESHES_MAX + 5):
        assert function(number) == number + 1
    eventually(lambda: gate.calls == 2 * REFRESHES_MAX + 5)
    gate.let.set()
    eventually(lambda: function(0) > REFRESHES_MAX + 5)


def test_threads_hammering_one_cache_leave_it_whole() -> None:
    cache: Cache[int, tuple[int, str]] = Cache(max_size=50, max_bytes=40_000)
    rounds = 3000
    start = threading.Barrier(THREADS)

    def hammer(seed: int) -> tuple[int, int]:
        start.wait(LIMIT_S)
        state, gets, hits = seed + 1, 0, 0
        for _ in range(rounds):
            state = state * 1_103_515_245 + 12_345 & 0x7FFFFFFF
            key = (state >> 8) % 80
            if state % 5 == 0:
                cache.set(key, (key, "x" * (state % 300)))
            elif state % 97 == 0:
                cache.delete(key)
            else:
                gets += 1
                value = cache.get(key)
                hits += value is not None
                assert value is None or value[0] == key
        return gets, hits

    with ThreadPoolExecutor(THREADS) as pool:
        told = list(pool.map(hammer, range(THREADS)))
    stats = cache.stats()
    assert stats.hits == sum(hits for _, hits in told)
    assert stats.hits + stats.misses == sum(gets for gets, _ in told)
    assert stats.entries <= 50
    assert stats.bytes_held == sum(entry.weight for entry in cache._entries.values()) <= 40_000
    assert {key for bucket in cache._expiry._buckets.values() for key in bucket} == set(
        cache._entries
    )
    assert cache.clear() == stats.entries
    assert cache.stats().bytes_held == 0


def test_threads_hammering_one_function_compute_each_answer_once() -> None:
    calls: list[int] = []
    start = threading.Barrier(THREADS)

    @cached(max_size=None)
    def square(number: int) -> int:
        calls.append(number)
        return number * number

    def hammer(offset: int) -> bool:
        start.wait(LIMIT_S)
        return all(
            square((number * (offset + 1)) % 101) == ((number * (offset + 1)) % 101) ** 2
            for number in range(1000)
        )

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(hammer, range(THREADS)))
    assert sorted(calls) == list(range(101))


async def nothing() -> None:
    """Can be awaited once."""


def some() -> Iterator[int]:
    yield 1


async def some_async() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("make", "told"),
    [(nothing, "awaited once"), (some, "read once"), (some_async, "read once")],
)
def test_what_can_be_used_only_once_is_refused(make: Any, told: str) -> None:
    cache: Cache[str, Any] = Cache(max_size=5)

    async def compute() -> Any:
        return make()

    with pytest.raises(TypeError, match=told):
        cache.get_or_compute("a", make)
    with pytest.raises(TypeError, match=told):
        asyncio.run(cache.get_or_compute_async("a", compute))
    assert len(cache) == 0
