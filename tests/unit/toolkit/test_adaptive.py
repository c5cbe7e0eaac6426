"""`AdaptiveCache`: what it gives, what it learns, and what it does about it."""

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from tests.support.waiting import eventually

from headrace import AdaptiveCache
from headrace.clock import ManualClock

LIMIT_S = 60


class World:
    """Answers that change at a rate of their own, and a clock."""

    def __init__(self, **arguments: Any) -> None:
        self.clock = ManualClock()
        self.version = 0
        self.calls = 0
        self.cache: AdaptiveCache[str, str] = AdaptiveCache(clock=self.clock, **arguments)

    def compute(self) -> str:
        self.calls += 1
        return f"version {self.version}"

    def ask(self, key: str = "key") -> str:
        return self.cache.get_or_compute(key, self.compute)

    def refresh(self, key: str) -> None:
        """Ask for a stale value, and wait until it has been computed anew."""
        before = self.cache.stats().refreshed
        self.ask(key)
        eventually(lambda: self.cache.stats().refreshed == before + 1)

    def live(self, rounds: int, changes_every: int | None, key: str = "key") -> None:
        """Let values grow stale so many times, and change in some of them."""
        for number in range(rounds):
            self.ask(key)
            if changes_every and number % changes_every == 0:
                self.version += 1
            self.clock.advance(self.ttl_s() + 1)
            self.refresh(key)

    def ttl_s(self) -> float:
        lifetimes = self.cache.stats().lifetimes
        return lifetimes[-1].ttl_s if lifetimes else 3600.0


def test_values_are_computed_once_and_given() -> None:
    world = World(ttl=100, ttl_min=10, ttl_max=1000, stale=50)
    assert [world.ask(), world.ask(), world.ask("other")] == ["version 0"] * 3
    assert world.calls == 2
    assert (world.cache.get("key"), world.cache.get("none", "x")) == ("version 0", "x")
    assert ("key" in world.cache, len(world.cache)) == (True, 2)


def test_a_value_past_its_time_is_given_and_computed_anew_meanwhile() -> None:
    world = World(ttl=100, ttl_min=10, ttl_max=1000, stale=50)
    world.ask()
    world.version = 1
    world.clock.advance(120)
    assert world.cache.get("key") is None
    assert world.ask() == "version 0"
    eventually(lambda: world.ask() == "version 1")
    assert world.calls == 2
    world.clock.advance(1000)
    world.version = 2
    assert world.ask() == "version 2"


def test_values_that_never_change_live_longer_and_longer() -> None:
    world = World(stale=1e9)
    world.live(60, None)
    (lifetime,) = world.cache.stats().lifetimes
    assert lifetime.ttl_s > 2 * 3600
    assert (lifetime.changed, lifetime.observations) == (0, 60)


def test_values_that_always_change_live_shorter() -> None:
    world = World(stale=1e9)
    world.live(60, 1)
    (lifetime,) = world.cache.stats().lifetimes
    assert 60 <= lifetime.ttl_s < 3600
    assert lifetime.changed == 60


def test_lives_stay_within_what_was_said() -> None:
    world = World(ttl=100, ttl_min=90, ttl_max=110, stale=1e9)
    world.live(80, None)
    assert world.ttl_s() == 110
    world = World(ttl=100, ttl_min=90, ttl_max=110, stale=1e9)
    world.live(80, 1)
    assert world.ttl_s() == 90


def test_kinds_learn_for_themselves() -> None:
    world = World(stale=1e9, category=lambda key: key.partition(":")[0])
    world.live(60, None, "rock:1")
    world.live(60, 1, "news:1")
    lifetimes = {each.category: each.ttl_s for each in world.cache.stats().lifetimes}
    assert lifetimes["rock"] > 3600 > lifetimes["news"]


def test_what_says_the_same_may_be_told() -> None:
    world = World(stale=1e9, same=lambda one, other: len(one) == len(other))
    world.live(9, 1)
    (lifetime,) = world.cache.stats().lifetimes
    assert (lifetime.observations, lifetime.changed) == (9, 0)


def test_functions_of_the_caller_that_fail_are_counted_and_harm_nothing() -> None:
    world = World(ttl=100, stale=1e9, category=lambda key: key[99], same=lambda one, other: 1 / 0)
    world.ask()
    world.clock.advance(200)
    world.refresh("key")
    stats = world.cache.stats()
    assert stats.caller_errors == 3
    assert stats.last_caller_error.startswith("ZeroDivisionError")
    assert stats.lifetimes == ()
    assert world.ask() == "version 0"


def test_a_share_of_hits_is_checked() -> None:
    world = World(ttl=100, check_share=1.0)
    world.ask()
    world.clock.advance(50)
    world.version = 1
    assert world.ask() == "version 0"
    eventually(lambda: world.cache.stats().refreshed == 1)
    assert world.cache.get("key") == "version 1"
    (lifetime,) = world.cache.stats().lifetimes
    assert (lifetime.observations, lifetime.changed) == (1, 1)


def test_without_checks_nothing_is_computed_that_need_not_be() -> None:
    world = World(ttl=100)
    for _ in range(500):
        world.ask()
    assert world.calls == 1


def test_a_refresh_that_fails_is_counted_and_the_old_value_given_on() -> None:
    world = World(ttl=100, stale=1000)
    world.ask()
    world.clock.advance(200)

    def fail() -> str:
        raise ValueError("down")

    assert world.cache.get_or_compute("key", fail) == "version 0"
    eventually(lambda: world.cache.stats().refresh_errors == 1)
    assert world.cache.stats().last_refresh_error == "ValueError"
    assert world.cache.get_or_compute("key", fail) == "version 0"


def test_setting_teaches_too() -> None:
    world = World()
    assert world.cache.set("key", "a", cost=2.0)
    world.clock.advance(10)
    world.cache.set("key", "b")
    (lifetime,) = world.cache.stats().lifetimes
    assert (lifetime.observations, lifetime.changed) == (1, 1)


def test_what_is_dear_stays() -> None:
    cache: AdaptiveCache[int, str] = AdaptiveCache(max_size=10)
    for number in range(5):
        cache.get_or_compute(number, lambda: "dear", cost=100.0)
    for number in range(5, 1000):
        cache.get_or_compute(number, lambda: "cheap", cost=0.01)
    assert [number in cache for number in range(5)] == [True] * 5
    stats = cache.stats()
    assert stats.policy in ("lru", "s3fifo", "gdsf")
    assert stats.cache.evictions >= 985


def test_dropping_drops_what_is_under_way_too() -> None:
    world = World()
    let, begun = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert let.wait(LIMIT_S)
        return "old"

    thread = threading.Thread(target=world.cache.get_or_compute, args=("key", slow))
    thread.start()
    assert begun.wait(LIMIT_S)
    assert not world.cache.delete("key")
    let.set()
    thread.join(LIMIT_S)
    assert "key" not in world.cache
    world.ask()
    assert (world.cache.delete("key"), world.cache.clear()) == (True, 0)


def test_coroutines_are_computed_once_and_refreshed() -> None:
    world = World(ttl=100, stale=50)

    async def compute() -> str:
        await asyncio.sleep(0)
        return world.compute()

    async def main() -> None:
        ask = world.cache.get_or_compute_async
        asked = [ask("key", compute) for _ in range(20)]
        assert await asyncio.gather(*asked) == ["version 0"] * 20
        world.version = 1
        world.clock.advance(120)
        assert await ask("key", compute) == "version 0"
        refreshing = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*refreshing)
        assert await ask("key", compute) == "version 1"
        assert world.calls == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "arguments",
    [
        {"ttl": 10, "ttl_min": 60},
        {"ttl": 1e9},
        {"stale": -1},
        {"stale_share": 0.0},
        {"check_share": 2.0},
        {"max_size": 0},
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        AdaptiveCache(**arguments)


def test_a_value_in_demand_is_computed_anew_ahead_of_its_end() -> None:
    world = World(ttl=100, ttl_min=10, ttl_max=1000)

    def compute() -> str:
        world.clock.advance(2)  # so long does it take
        return world.compute()

    world.cache.get_or_compute("key", compute)
    world.clock.advance(75)
    while not world.cache.stats().refreshed:
        assert world.clock.monotonic_s() < 102, "it reached its end"
        world.clock.advance(0.01)
        world.cache.get_or_compute("key", compute)
        eventually(lambda: not world.cache._flights.flying)
    assert world.calls == 2


@pytest.mark.parametrize(("early", "uses"), [(True, 5), (False, 5000)])
def test_values_that_are_hardly_used_or_may_not_wait_for_their_end(early: bool, uses: int) -> None:
    world = World(ttl=100, early=early)

    def compute() -> str:
        world.clock.advance(2)
        return world.compute()

    world.cache.get_or_compute("key", compute)
    world.clock.advance(80)
    for _ in range(uses):
        world.clock.advance(19 / uses)
        world.cache.get_or_compute("key", compute)
    assert world.calls == 1


def test_an_old_value_is_given_where_computing_a_new_one_fails() -> None:
    world = World(ttl=100, stale=50, stale_if_error=1000)

    def fail() -> str:
        raise ValueError("down")

    async def fail_too() -> str:
        raise ValueError("down")

    world.ask()
    world.clock.advance(500)
    assert world.cache.get("key") is None
    assert world.cache.get_or_compute("key", fail) == "version 0"
    assert asyncio.run(world.cache.get_or_compute_async("key", fail_too)) == "version 0"
    stats = world.cache.stats()
    assert (stats.bridged, stats.last_bridged_error[:10]) == (2, "ValueError")
    world.version = 1
    assert world.ask() == "version 1"  # nobody is given an old one where a new one can be had
    world.clock.advance(1200)
    with pytest.raises(ValueError, match="down"):
        world.cache.get_or_compute("key", fail)


def test_without_a_time_for_errors_they_are_raised() -> None:
    world = World(ttl=100, stale=50)
    world.ask()
    world.clock.advance(151)
    with pytest.raises(ZeroDivisionError):
        world.cache.get_or_compute("key", lambda: str(1 / 0))


def test_what_is_never_used_again_is_kept_from_taking_room() -> None:
    clock = ManualClock()
    cache: AdaptiveCache[str, str] = AdaptiveCache(
        max_size=50, ttl=3600, admission=True, category=lambda key: key[:4], clock=clock
    )
    hits = []
    for number in range(8000):
        clock.advance(1)
        cache.get_or_compute(f"once {number}", lambda: "x", cost=1.0)
        if number >= 6000:
            hits.append(f"used {number % 40}" in cache)
        cache.get_or_compute(f"used {number % 40}", lambda: "x", cost=1.0)
    stats = cache.stats()
    assert stats.refused > 2000
    assert stats.foreseen_by in ("category", "interval", "learned")
    assert sum(hits) / len(hits) > 0.9


def test_before_anything_is_known_nothing_is_refused() -> None:
    clock = ManualClock()
    cache: AdaptiveCache[int, str] = AdaptiveCache(max_size=5, admission=True, clock=clock)
    for number in range(200):  # one in five is followed up, and a hundred have to end
        clock.advance(1)
        cache.get_or_compute(number, lambda: "x", cost=1.0 + number % 7)
    assert cache.stats().refused == 0


def test_kinds_may_be_anything() -> None:
    kinds: list[Any] = [1, ["a"], None]
    cache: AdaptiveCache[int, str] = AdaptiveCache(
        max_size=5, max_bytes=None, category=lambda key: kinds[key]
    )
    for _ in range(2):
        assert [cache.set(key, "x") for key in range(3)] == [True] * 3
    assert [each.category for each in cache.stats().lifetimes] == ["1", "['a']", "None"]


def test_without_admission_nothing_is_refused() -> None:
    world = World(max_size=2)
    assert [world.ask(key) for key in "abcd"] == ["version 0"] * 4
    assert (world.cache.stats().refused, world.cache.stats().foreseen_by) == (0, "")


def test_admission_says_what_it_needs() -> None:
    program = """
import sys
sys.modules["numpy"] = None
from headrace import AdaptiveCache, HeadraceError
AdaptiveCache(max_size=5).get_or_compute("a", str)
try:
    AdaptiveCache(max_size=5, admission=True)
except HeadraceError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "pip install 'headrace[semantic]'" in said
