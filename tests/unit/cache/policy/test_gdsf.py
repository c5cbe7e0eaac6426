"""Priorities follow the formula, whatever sizes and worths there are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.policy import GdsfPolicy
from headrace.cache.policy.base import WORTH_USD_MAX, WORTH_USD_MIN, bounded_worth
from headrace.cache.policy.gdsf import (
    CHANCES_MAX,
    CONTESTS_PER_USE,
    PARTS_PER_USD,
    SIGNIFICANT_BITS,
    density_of,
)
from headrace.cache.policy.sketch import COUNT_MAX

ROUNDING = 1 / 2 ** (SIGNIFICANT_BITS - 1)


@given(
    size=st.integers(1, 1 << 40),
    worth=st.floats(WORTH_USD_MIN, 1000),
    uses=st.integers(1, 300),
)
def test_priority_is_clock_and_uses_times_worth_by_size(size: int, worth: float, uses: int) -> None:
    policy = GdsfPolicy[str](admission=False)
    policy.insert("cheap", 1000, 0.001)
    assert policy.evict() == "cheap"
    policy.insert("key", size, worth)
    for _ in range(uses - 1):
        policy.touch("key")
    before = policy.clock
    assert before == pytest.approx(0.001 / 1000 * PARTS_PER_USD, rel=ROUNDING)
    assert policy.evict() == "key"
    exact = uses * worth / size * PARTS_PER_USD
    value = policy.clock - before
    # A use is worth one part at least, however large the key is.
    assert exact * (1 - ROUNDING) - 2 * uses <= value <= max(exact, uses) + 1


def test_a_key_that_is_not_used_is_overtaken_by_the_clock() -> None:
    policy = GdsfPolicy[int](admission=False)
    policy.insert(0, 100, 1.0)
    left = set()
    for key in range(1, 200):
        policy.insert(key, 100, 0.1)
        left.add(policy.evict())
    assert 0 in left


def test_uses_are_reckoned_when_a_key_would_leave() -> None:
    policy = GdsfPolicy[str](admission=False)
    policy.insert("used", 1000, 0.01)
    once = policy.priority("used")
    policy.touch("used")
    assert policy.priority("used") == once
    policy.insert("cheap", 1000, 0.005)
    policy.insert("dear", 1000, 0.015)
    assert [policy.evict() for _ in range(3)] == ["cheap", "dear", "used"]


def test_one_eviction_reckons_a_bounded_number_anew() -> None:
    policy = GdsfPolicy[int](admission=False)
    for key in range(10 * CHANCES_MAX):
        policy.insert(key, 1000, 0.01)
    for key in range(10 * CHANCES_MAX):
        policy.touch(key)
    assert policy.evict() == CHANCES_MAX


def test_without_prices_the_larger_and_the_less_used_leave_first() -> None:
    policy = GdsfPolicy[str](admission=False)
    policy.insert("large", 3000, 0.0)
    policy.insert("large and used", 3000, 0.0)
    policy.insert("small", 1000, 0.0)
    for _ in range(3):
        policy.touch("large and used")
    assert [policy.evict() for _ in range(3)] == ["large", "small", "large and used"]


def test_not_priced_is_as_if_all_were_worth_the_same() -> None:
    policy = GdsfPolicy[str](is_priced=False)
    policy.insert("dear and large", 3000, 1.0)
    policy.insert("cheap and small", 1000, 0.00001)
    assert policy.evict() == "dear and large"


def test_a_newcomer_that_deserves_less_leaves_itself() -> None:
    policy = GdsfPolicy[str]()
    policy.insert("held", 1000, 0.01)
    policy.touch("held")
    policy.insert("newcomer", 1000, 0.015)
    assert policy.evict() == "newcomer"
    assert policy.priority("held") > 0


def leave_until_lowest(policy: GdsfPolicy[object], key: object) -> None:
    """Let others come and go, each once, until `key` would be the next to leave for a new one."""
    one_use = held_with_uses(1).priority("held")
    for stranger in range(10_000):
        policy.insert(("stranger", stranger), 1000, 0.01)
        assert policy.evict() == ("stranger", stranger)
        if policy.clock + one_use > policy.priority(key):
            return
    raise AssertionError("the clock stands still")


def held_with_uses(uses: int) -> GdsfPolicy[object]:
    policy = GdsfPolicy[object]()
    policy.insert("held", 1000, 0.01)
    for _ in range(uses - 1):
        policy.touch("held")
    return policy


def test_a_newcomer_is_let_in_once_it_came_often_enough() -> None:
    policy = held_with_uses(4)
    leave_until_lowest(policy, "held")
    left = []
    for _ in range(4):
        policy.insert("newcomer", 1000, 0.01)
        left.append(policy.evict())
    assert left == ["newcomer", "newcomer", "newcomer", "held"]


def test_without_admission_the_lowest_priority_leaves() -> None:
    policy = GdsfPolicy[object](admission=False)
    policy.insert("held", 1000, 0.01)
    policy.touch("held")
    leave_until_lowest(policy, "held")
    policy.insert("newcomer", 1000, 0.01)
    assert policy.evict() == "held"


@pytest.mark.parametrize("way", ["removed", "evicted"])
def test_uses_of_an_earlier_stay_count(way: str) -> None:
    policy = GdsfPolicy[object]()
    policy.insert("was here", 1000, 0.01)
    for _ in range(5):
        policy.touch("was here")
    if way == "removed":
        policy.remove("was here")
    else:
        assert policy.evict() == "was here"
    policy.insert("held", 1000, 0.01)
    for _ in range(4):
        policy.touch("held")
    leave_until_lowest(policy, "held")
    policy.insert("was here", 1000, 0.01)
    assert policy.evict() == "held"


def test_nobody_keeps_newcomers_out_for_ever() -> None:
    policy = held_with_uses(100)
    leave_until_lowest(policy, "held")
    contests = 0
    policy.insert(contests, 1000, 0.01)
    while policy.evict() != "held":
        contests += 1
        policy.insert(contests, 1000, 0.01)
    assert contests == CONTESTS_PER_USE * (COUNT_MAX - 1)


def test_shelves_of_values_that_are_gone_go_too() -> None:
    policy = GdsfPolicy[int]()
    for key in range(2000):
        policy.insert(key, 1 + key, 10.0 ** (key % 7 - 5))
    most = policy.shelves
    assert most < 300
    for key in range(2000, 2100):
        policy.insert(key, 500, 100.0)
    for _ in range(2000):
        policy.evict()
    assert policy.shelves <= most / 10


@pytest.mark.parametrize(
    ("worth", "bounded"),
    [
        (0.0, WORTH_USD_MIN),
        (-5.0, WORTH_USD_MIN),
        (math.nan, WORTH_USD_MIN),
        (-math.inf, WORTH_USD_MIN),
        (0.25, 0.25),
        (1e300, WORTH_USD_MAX),
        (math.inf, WORTH_USD_MAX),
    ],
)
def test_any_worth_can_be_reckoned_with(worth: float, bounded: float) -> None:
    assert bounded_worth(worth) == bounded
    for size in (-1, 0, 1, 1 << 80):
        assert density_of(size, worth) >= 1
