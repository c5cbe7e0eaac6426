"""A cache bounded in bytes, driven by a policy."""

from headrace.cache.policy import LruPolicy
from headrace.cache.simulation.event import Event
from headrace.cache.simulation.replay import Score, replay
from headrace.cache.simulation.trace import Trace, collect


def trace(asked: str, overhead_bytes: int = 0, **sizes: int) -> Trace:
    events = [Event(key, sizes.get(key, 10), 1.0, latency_s=2.0) for key in asked]
    return collect(events, "t", overhead_bytes=overhead_bytes)


def hits(asked: str, capacity_bytes: int, **sizes: int) -> int:
    found = trace(asked, **sizes)
    return round(replay(found, LruPolicy(), capacity_bytes).hit_rate * len(found))


class NothingNew(LruPolicy[int]):
    """Lets nobody in once it is full."""

    def insert(self, key: int, size: int, worth: float) -> None:
        super().insert(key, size, worth)
        self._newest = key

    def evict(self) -> int:
        self.remove(self._newest)
        return self._newest


def test_the_least_recently_used_leaves() -> None:
    assert hits("abab", 20) == 2
    assert hits("abcab", 20) == 0
    assert hits("abacab", 20) == 2


def test_several_leave_for_a_large_one() -> None:
    assert hits("abcXabc", 30, X=30) == 0
    assert hits("abcXc", 30, X=20) == 1


def test_what_is_larger_than_the_cache_is_not_stored() -> None:
    assert hits("abXabX", 20, X=21) == 2


def test_a_policy_may_refuse_the_newest() -> None:
    found = trace("abcabc")
    assert replay(found, NothingNew(), 20).hit_rate == 2 / 6


def test_shares_are_of_all_there_was() -> None:
    events = [
        Event("a", 100, 1.0, latency_s=1.0),
        Event("b", 300, 4.0, latency_s=1.0),
        Event("b", 300, 4.0, latency_s=2.0),
        Event("c", 300, 1.0, latency_s=4.0),
    ]
    score = replay(collect(events, "t", overhead_bytes=50), LruPolicy(), 350)
    assert score == Score(0.25, 0.3, 0.4, 0.25)


def test_overhead_takes_room() -> None:
    assert replay(trace("abab", 5), LruPolicy(), 30).hit_rate == 0.5
    assert replay(trace("abab", 6), LruPolicy(), 30).hit_rate == 0.0


def test_nothing_saved_of_nothing_is_nothing() -> None:
    events = [Event("a", 10, 0.0)] * 2
    assert replay(collect(events, "t"), LruPolicy(), 10_000) == Score(0.5, 0.5, 0.0, 0.0)
