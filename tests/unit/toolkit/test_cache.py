"""The memory cache: what it holds, for how long, and what it tells."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from headrace import Cache
from headrace.clock import ManualClock
from headrace.toolkit.arguments import OVERHEAD_BYTES
from headrace.toolkit.cache import EXPIRED_PER_STEP, USES_MAX
from headrace.toolkit.missing import MISSING

UNWEIGHED: dict[str, Any] = {"max_size": 20, "max_bytes": None}
Left = list[tuple[Any, Any, str]]


def noting(left: Left) -> Callable[[Any, Any, str], None]:
    return lambda key, value, reason: left.append((key, value, reason))


def test_holds_what_was_set_until_its_time_is_up() -> None:
    clock = ManualClock()
    cache: Cache[str, int] = Cache(ttl=10, clock=clock)
    assert cache.set("a", 1)
    clock.advance(9.9)
    assert (cache.get("a"), "a" in cache) == (1, True)
    clock.advance(0.1)
    assert (cache.get("a"), cache.get("a", -1), "a" in cache) == (None, -1, False)


def test_none_is_a_value() -> None:
    cache: Cache[str, None] = Cache()
    cache.set("a", None)
    assert cache.get("a", "nothing") is None
    assert "a" in cache
    assert cache.get_or_compute("a", pytest.fail) is None


def test_entries_may_have_a_time_of_their_own() -> None:
    clock = ManualClock()
    cache: Cache[str, int] = Cache(ttl=10, clock=clock)
    cache.set("short", 1, ttl=1)
    cache.set("usual", 2)
    cache.set("ever", 3, math.inf)
    clock.advance(5)
    assert [key for key in ("short", "usual", "ever") if key in cache] == ["usual", "ever"]
    clock.advance(1e9)
    assert [key for key in ("short", "usual", "ever") if key in cache] == ["ever"]


def test_no_time_at_all_holds_nothing_and_drops_what_was_held() -> None:
    cache: Cache[str, int] = Cache()
    cache.set("a", 1)
    assert not cache.set("a", 2, ttl=0)
    assert "a" not in cache


def test_least_recently_used_leaves_first() -> None:
    cache: Cache[int, int] = Cache(max_size=3)
    for key in range(3):
        cache.set(key, key)
    assert cache.get(0) == 0
    cache.set(3, 3)
    assert [key in cache for key in range(4)] == [True, False, True, True]


def test_many_uses_are_all_counted_and_keep_their_order() -> None:
    cache: Cache[int, int] = Cache(max_size=2)
    cache.set(0, 0)
    cache.set(1, 1)
    for _ in range(USES_MAX * 2 + 7):
        cache.get(1)
        cache.get(0)
    cache.set(2, 2)
    assert (0 in cache, 1 in cache) == (True, False)
    assert cache.stats().hits == (USES_MAX * 2 + 7) * 2


def test_bytes_are_bounded() -> None:
    room_bytes = 10 * (OVERHEAD_BYTES + 1200)
    cache: Cache[int, bytes] = Cache(max_bytes=room_bytes)
    for key in range(100):
        cache.set(key, bytes(1000))
        assert cache.stats().bytes_held <= room_bytes
    assert 10 <= len(cache) < 20


def test_what_is_too_large_is_not_held_and_pushes_nobody_out() -> None:
    cache: Cache[str, bytes] = Cache(max_bytes=5000)
    cache.set("small", b"")
    cache.set("a", b"old")
    assert not cache.set("a", bytes(5000))
    assert ("small" in cache, "a" in cache) == (True, False)


def test_a_huge_key_counts_too() -> None:
    cache: Cache[str, int] = Cache(max_bytes=5000)
    assert not cache.set("k" * 5000, 1)
    assert cache.set("\ud800", 1)
    assert cache.get("\ud800") == 1
    assert cache.set("", 2)


def test_nothing_is_weighed_without_a_bound_in_bytes() -> None:
    cache: Cache[str, bytes] = Cache(max_size=2, max_bytes=None, weigh=pytest.fail)
    cache.set("a", bytes(1_000_000))
    assert cache.stats().bytes_held == 0


def test_weights_may_be_given() -> None:
    cache: Cache[int, str] = Cache(max_bytes=10_000, weigh=lambda _: 4_000)
    for key in range(5):
        cache.set(key, "")
    assert len(cache) == 2


def test_deleting_tells_whether_there_was_something() -> None:
    clock = ManualClock()
    cache: Cache[str, int] = Cache(ttl=1, clock=clock)
    cache.set("a", 1)
    cache.set("b", 1)
    assert (cache.delete("a"), cache.delete("a")) == (True, False)
    clock.advance(1)
    assert not cache.delete("b")
    assert (len(cache), cache.stats().bytes_held) == (0, 0)


def test_clear_drops_everything() -> None:
    cache: Cache[int, int] = Cache()
    for key in range(5):
        cache.set(key, key)
    assert cache.clear() == 5
    assert (len(cache), cache.stats().bytes_held) == (0, 0)
    assert cache.set(1, 1)


def test_a_part_can_be_counted_and_dropped() -> None:
    cache: Cache[int, int] = Cache()
    for key in range(5):
        cache.set(key, key)
    assert cache.count(lambda key: key > 2) == 2
    assert cache.delete_where(lambda key: key > 2) == 2
    assert [key in cache for key in range(5)] == [True, True, True, False, False]


def test_what_is_expired_leaves_in_small_steps() -> None:
    clock = ManualClock()
    left: Left = []
    cache: Cache[int, int] = Cache(ttl=10, clock=clock, listeners=[noting(left)])
    for key in range(100):
        cache.set(key, key)
    clock.advance(11)
    steps = []
    while len(cache):
        before = len(left)
        cache.get("anything")  # type: ignore[call-overload]
        steps.append(len(left) - before)
    assert max(steps) == EXPIRED_PER_STEP
    assert {reason for _, _, reason in left} == {"expired"}
    assert cache.stats().expirations == 100


def test_what_is_expired_leaves_before_what_is_not() -> None:
    clock = ManualClock()
    cache: Cache[str, int] = Cache(max_size=2, clock=clock)
    cache.set("kept", 1, ttl=1000)
    cache.set("short", 2, ttl=1)
    clock.advance(2)
    cache.set("new", 3)
    assert "kept" in cache
    assert cache.stats().evictions == 0


def test_stale_values_can_be_seen_for_as_long_as_was_said() -> None:
    clock = ManualClock()
    cache: Cache[str, int] = Cache(ttl=10, clock=clock)
    cache.set("a", 1, stale=5)
    clock.advance(12)
    assert (cache.get("a"), cache.peek("a"), cache.peek_stale("a")) == (None, MISSING, 1)
    clock.advance(3)
    assert cache.peek_stale("a") is MISSING


def test_times_that_make_no_sense_are_refused_wherever_they_stand() -> None:
    cache: Cache[str, int] = Cache(ttl=10)
    for stale in (-1, math.nan):
        with pytest.raises(ValueError, match="stale is"):
            cache.set("a", 1, stale=stale)
    assert len(cache) == 0


def test_short_lives_with_a_long_rest_take_few_buckets() -> None:
    clock = ManualClock()
    cache: Cache[int, int] = Cache(max_size=100_000, clock=clock)
    for key in range(5_000):
        cache.set(key, key, ttl=0.01, stale=100_000)
        clock.advance(1)
    assert len(cache._expiry._buckets) <= 65


def test_listeners_hear_of_whatever_leaves_and_why() -> None:
    left: Left = []
    clock = ManualClock()
    cache: Cache[str, int] = Cache(max_size=2, ttl=10, clock=clock, listeners=[noting(left)])
    cache.set("a", 1)
    cache.set("a", 2)
    cache.set("b", 3)
    cache.set("c", 4)
    cache.delete("b")
    clock.advance(20)
    cache.set("d", 5)
    assert left == [
        ("a", 1, "replaced"),
        ("a", 2, "capacity"),
        ("b", 3, "removed"),
        ("c", 4, "expired"),
    ]


def test_a_listener_that_raises_harms_nobody_and_is_counted() -> None:
    left: Left = []

    def fail(key: object, value: object, reason: str) -> None:
        raise ValueError("no")

    cache: Cache[int, int] = Cache(max_size=1, listeners=[fail, noting(left)])
    for key in range(3):
        assert cache.set(key, key)
    assert left == [(0, 0, "capacity"), (1, 1, "capacity")]
    stats = cache.stats()
    assert stats.listener_errors == 2
    assert stats.last_listener_error.startswith("ValueError in ")
    assert stats.last_listener_error.endswith("fail")


def test_an_interrupt_in_a_listener_is_not_swallowed() -> None:
    def interrupt(key: object, value: object, reason: str) -> None:
        raise KeyboardInterrupt

    cache: Cache[int, int] = Cache(max_size=1, listeners=[interrupt])
    cache.set(0, 0)
    with pytest.raises(KeyboardInterrupt):
        cache.set(1, 1)
    assert 1 in cache


def test_a_listener_may_use_the_cache() -> None:
    def put_back(key: int, value: int, reason: str) -> None:
        if key < 100:
            cache.set(key + 100, value)

    cache: Cache[int, int] = Cache(max_size=2, listeners=[put_back])
    for key in range(5):
        cache.set(key, key)
    assert len(cache) == 2
    assert cache.stats().listener_errors == 0


def test_a_value_that_uses_the_cache_when_it_dies_does_no_harm() -> None:
    class Last:
        def __del__(self) -> None:
            cache.get(0)
            cache.set(99, None)

    cache: Cache[int, object] = Cache(max_size=3)
    for key in range(50):
        cache.set(key, Last())
    assert len(cache) <= 3
    assert cache.stats().bytes_held <= 3 * 5000


def test_stats_tell_what_happened() -> None:
    cache: Cache[int, int] = Cache(max_size=2)
    for key in range(3):
        cache.set(key, key)
    cache.get(0)
    cache.get(2)
    cache.get(2)
    assert 2 in cache  # looking is no use
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.evictions, stats.entries) == (2, 1, 1, 2)
    assert stats.hit_share == 2 / 3
    assert stats.bytes_held > 0
    assert Cache().stats().hit_share == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"max_size": 0}, "max_size is 0"),
        ({"max_bytes": -1}, "max_bytes is -1"),
        ({"max_bytes": None}, "needs a bound"),
        ({"ttl": -1}, "ttl is -1"),
        ({"ttl": math.nan}, "ttl is nan"),
        ({"policy": "best"}, "no policy 'best': use auto, gdsf, lru, s3fifo"),
    ],
)
def test_bad_arguments_are_refused_in_plain_words(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Cache(**arguments)


@pytest.mark.parametrize("ttl", [-1, math.nan])
def test_bad_times_are_refused(ttl: float) -> None:
    with pytest.raises(ValueError, match="ttl is"):
        Cache().set("a", 1, ttl=ttl)


def test_unhashable_keys_are_refused_and_leave_no_trace() -> None:
    cache: Cache[Any, int] = Cache()
    with pytest.raises(TypeError):
        cache.set([], 1)
    with pytest.raises(TypeError):
        cache.get([])
    assert (len(cache), cache.stats().bytes_held) == (0, 0)
    assert cache.set("a", 1)


@pytest.mark.parametrize("policy", ["lru", "s3fifo", "gdsf", "auto"])
@pytest.mark.parametrize("bounds", [{"max_size": 20}, {"max_bytes": 12_000}, UNWEIGHED])
def test_every_policy_works_with_every_bound(policy: Any, bounds: dict[str, Any]) -> None:
    cache: Cache[int, str] = Cache(policy=policy, **bounds)
    for number in range(2000):
        cache.get_or_compute(number * number % 101, lambda: "x")
    stats = cache.stats()
    assert 0 < stats.entries <= 24
    assert stats.hits > 0


def test_what_is_dear_stays_where_costs_count() -> None:
    cache: Cache[int, str] = Cache(max_size=10, policy="gdsf")
    for number in range(5):
        cache.set(number, "dear", cost=10.0)
    for number in range(5, 500):
        cache.set(number, "cheap", cost=0.001)
    assert all(number in cache for number in range(5))


def test_a_policy_may_refuse_what_is_new() -> None:
    class Stubborn:
        """Whoever came last leaves."""

        def __init__(self) -> None:
            self.held: list[str] = []
            self.touch = lambda key: None

        def insert(self, key: str, size: int, worth: float) -> None:
            self.held.append(key)

        def remove(self, key: str) -> None:
            self.held.remove(key)

        def evict(self) -> str:
            return self.held.pop()

    cache: Cache[str, int] = Cache(max_size=1, policy=Stubborn())
    assert cache.set("first", 1)
    assert not cache.set("second", 2)
    assert ("first" in cache, "second" in cache) == (True, False)
