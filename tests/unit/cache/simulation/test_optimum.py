"""What no policy can beat, on traces small enough to see why."""

import pytest

from headrace.cache.simulation.event import Event
from headrace.cache.simulation.optimum import Optimum, belady_hits, next_uses
from headrace.cache.simulation.trace import Trace, collect


def uniform(asked: str) -> Trace:
    return collect([Event(key, 10, 1.0) for key in asked], "t", overhead_bytes=0)


def test_next_uses() -> None:
    assert list(next_uses([5, 6, 5, 5, 7, 6])) == [2, 5, 3, 0, 0, 0]


@pytest.mark.parametrize(
    ("asked", "entries", "hits"),
    [
        ("abcabc", 3, 3),
        ("abcabc", 2, 2),
        ("abcabc", 1, 1),
        ("abcabc", 0, 0),
        ("abcdabe", 2, 2),
        ("aaaa", 1, 3),
        # The classic has 11 when everything is stored; not storing the 4 saves one more.
        ("70120304230321201701", 3, 12),
    ],
)
def test_belady(asked: str, entries: int, hits: int) -> None:
    assert belady_hits(next_uses([ord(key) for key in asked]), entries) == hits


def test_the_hits_of_a_uniform_trace_are_exact() -> None:
    assert Optimum(uniform("abcabc")).bound(25).hit_rate == 2 / 6


def test_everything_repeated_is_the_most_of_all() -> None:
    events = [Event("a", 10, 3.0), Event("b", 20, 4.0), Event("a", 10, 5.0)]
    score = Optimum(collect(events, "t", overhead_bytes=7)).unbounded()
    assert score.hit_rate == 1 / 3
    assert score.byte_hit_rate == 0.25
    assert score.saved_usd_share == 5 / 12


def test_room_and_time_bound_the_dollars() -> None:
    # Keeping either a takes 10 bytes for 2 requests, of the 10 x 4 there are: both fit, b does not.
    events = [Event(key, 10, usd) for key, usd in zip("abab", (1.0, 1.0, 4.0, 1.0), strict=True)]
    score = Optimum(collect(events, "t", overhead_bytes=0)).bound(5)
    assert score.saved_usd_share == 0.0  # neither fits at all
    score = Optimum(collect(events, "t", overhead_bytes=0)).bound(10)
    assert score.saved_usd_share == 5 / 7
    longer = [*events, *(Event(f"x{n}", 10, 0.0) for n in range(3))]
    assert Optimum(collect(longer, "t", overhead_bytes=0)).bound(10).saved_usd_share == 5 / 7


def test_the_last_one_kept_is_kept_in_part() -> None:
    # a and b take 10 bytes for 4 requests each, and there are 10 x 6: all of a, and half of b.
    dollars = {"a": 3.0, "b": 1.0, "x": 0.0, "y": 0.0}
    events = [Event(key, 10, dollars[key]) for key in "abxyab"]
    score = Optimum(collect(events, "t", overhead_bytes=0)).bound(10)
    assert score.saved_usd_share == 3.5 / 8
