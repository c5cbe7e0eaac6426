"""The bounds of the simulation are never beaten, and are reached where they are exact."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.policy import LruPolicy
from headrace.cache.simulation.event import Event
from headrace.cache.simulation.optimum import Optimum, belady_hits, next_uses
from headrace.cache.simulation.replay import replay
from headrace.cache.simulation.trace import collect

KEYS = st.lists(st.integers(0, 4), min_size=1, max_size=9)
SIZES = st.lists(st.integers(1, 5), min_size=5, max_size=5)
PRICES = st.lists(st.integers(0, 9), min_size=5, max_size=5)


def best(keys: list[int], sizes: list[int], gains: list[int], capacity: int) -> int:
    """The most that can be gained: every choice of what to keep is tried."""

    @cache
    def from_(at: int, held: frozenset[int]) -> int:
        if at == len(keys):
            return 0
        key = keys[at]
        gained = gains[key] if key in held else 0
        near = held | {key}
        subsets = _subsets(tuple(near), sizes, capacity)
        return gained + max(from_(at + 1, subset) for subset in subsets)

    return from_(0, frozenset())


def _subsets(keys: tuple[int, ...], sizes: list[int], room: int) -> list[frozenset[int]]:
    if not keys:
        return [frozenset()]
    without = _subsets(keys[1:], sizes, room)
    if sizes[keys[0]] > room:
        return without
    return without + [
        subset | {keys[0]} for subset in _subsets(keys[1:], sizes, room - sizes[keys[0]])
    ]


@given(KEYS, st.integers(0, 5))
def test_belady_is_the_optimum_of_one_size(keys: list[int], entries: int) -> None:
    assert belady_hits(next_uses(keys), entries) == best(keys, [1] * 5, [1] * 5, entries)


@given(KEYS, SIZES, PRICES, st.integers(1, 12))
def test_no_choice_beats_the_bound(
    keys: list[int], sizes: list[int], prices: list[int], capacity: int
) -> None:
    events = [Event(str(key), sizes[key], float(prices[key])) for key in keys]
    trace = collect(events, "t", overhead_bytes=0)
    bound = Optimum(trace).bound(capacity)
    spend, near = sum(prices[key] for key in keys), 1e-9
    dollars = best(keys, sizes, prices, capacity)
    assert dollars <= bound.saved_usd_share * spend + near
    assert best(keys, sizes, [1] * 5, capacity) <= bound.hit_rate * len(keys) + near
    stored = sum(sizes[key] for key in keys)
    assert best(keys, sizes, sizes, capacity) <= bound.byte_hit_rate * stored + near


@given(KEYS, SIZES, PRICES, st.integers(1, 12))
def test_the_replay_is_one_of_the_choices_and_repeats_bound_all(
    keys: list[int], sizes: list[int], prices: list[int], capacity: int
) -> None:
    events = [Event(str(key), sizes[key], float(prices[key])) for key in keys]
    trace = collect(events, "t", overhead_bytes=0)
    score = replay(trace, LruPolicy(), capacity)
    near = 1e-9
    assert round(score.hit_rate * len(keys)) <= best(keys, sizes, [1] * 5, capacity)
    optimum = Optimum(trace)
    bound, unbounded = optimum.bound(capacity), optimum.unbounded()
    assert score.saved_usd_share <= bound.saved_usd_share + near
    assert bound.saved_usd_share <= unbounded.saved_usd_share + near
    assert bound.hit_rate <= unbounded.hit_rate + near
