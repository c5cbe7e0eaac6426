"""What each way to balance promises."""

from collections import Counter
from math import ceil
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from headrace.routing.balance import (
    CostBalance,
    LatencyBalance,
    LeastLoadedBalance,
    QuotaBalance,
    WeightedBalance,
    make_balance,
)
from headrace.routing.load import Load
from headrace.routing.sticky import LOAD_BOUND, StickyBalance

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=6)
SESSIONS = st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=30, unique=True)
LOADS = st.lists(st.tuples(st.integers(0, 20), st.floats(0.01, 30)), min_size=2, max_size=6)


def named(weights: list[int]) -> list[Load]:
    return [Load(f"t{number}", weight=weight) for number, weight in enumerate(weights)]


def busy(given_: list[tuple[int, float]]) -> list[Load]:
    loads = [Load(f"t{number}") for number in range(len(given_))]
    for load, (inflight, ttft_s) in zip(loads, given_, strict=True):
        load.inflight = inflight
        load.observe(ttft_s, 0.0)
    return loads


@given(weights=WEIGHTS, rounds=st.integers(1, 5))
def test_weights_are_kept_exactly_in_every_round(weights: list[int], rounds: int) -> None:
    loads, balance = named(weights), WeightedBalance()
    for _ in range(rounds):
        chosen = Counter(balance.choose(loads, 0.0).name for _ in range(sum(weights)))
        assert [chosen[load.name] for load in loads] == weights


@given(weights=WEIGHTS, seed=st.integers(0, 2**32))
def test_weights_hold_among_those_that_are_there(weights: list[int], seed: int) -> None:
    loads, balance, dice = named(weights), WeightedBalance(), Random(seed)
    for _ in range(50):
        some = [load for load in loads if dice.random() < 0.5] or loads
        assert balance.choose(some, 0.0) in some
    assert abs(sum(load.turn for load in loads)) < 1e-6


@given(given_=LOADS, seed=st.integers(0, 2**32))
def test_two_choices_never_take_the_busiest_alone(
    given_: list[tuple[int, float]], seed: int
) -> None:
    loads = busy(given_)
    worst_s = max(load.waiting_s(0.0) for load in loads)
    chosen = LeastLoadedBalance(Random(seed).random).choose(loads, 0.0)
    others = [load for load in loads if load.waiting_s(0.0) < worst_s]
    if len(others) == len(loads) - 1:
        assert chosen in others


@given(seed=st.integers(0, 2**32), count=st.integers(2, 6))
def test_two_choices_prefer_the_less_loaded_and_reach_all(seed: int, count: int) -> None:
    loads = [Load(f"t{number}") for number in range(count)]
    balance = LeastLoadedBalance(Random(seed).random)
    for number in range(400):
        load = balance.choose(loads, float(number))
        load.inflight += 1
        load.observe(0.5, float(number))
    counts = [load.inflight for load in loads]
    assert max(counts) - min(counts) <= 8
    loads[0].observe(20.0, 400.0)
    before = loads[0].inflight
    for number in range(100):
        balance.choose(loads, 400.0 + number / 1000).inflight += 1
    assert loads[0].inflight - before < 100 / count


@given(given_=LOADS)
def test_fastest_cheapest_and_fullest_are_found(given_: list[tuple[int, float]]) -> None:
    loads = busy(given_)
    for load, (inflight, number) in zip(loads, given_, strict=True):
        load.cost = inflight
        load.quota_left = number / 30
    fastest = min(ttft_s for _, ttft_s in given_)
    assert LatencyBalance().choose(loads, 0.0).latency_s(0.0) <= fastest * 1.1
    assert CostBalance().choose(loads, 0.0).cost == min(inflight for inflight, _ in given_)
    assert QuotaBalance().choose(loads, 0.0).quota_left == max(load.quota_left for load in loads)


@given(sessions=SESSIONS, weights=WEIGHTS)
def test_session_stays_unless_its_target_is_gone(sessions: list[bytes], weights: list[int]) -> None:
    loads = named(weights)
    balance = make_balance("sticky", Random(1).random)
    homes = {each: balance.choose(loads, 0.0, each) for each in sessions}
    assert {each: balance.choose(loads[::-1], 9.0, each) for each in sessions} == homes
    for gone in loads:
        rest = [load for load in loads if load is not gone]
        if rest:
            moved = {each: balance.choose(rest, 0.0, each) for each in sessions}
            assert all(moved[each] is homes[each] for each in sessions if homes[each] is not gone)


@given(weights=WEIGHTS, calls=st.integers(1, 120), session=st.binary(min_size=1, max_size=8))
def test_one_session_loads_no_target_above_its_bound(
    weights: list[int], calls: int, session: bytes
) -> None:
    loads = named(weights)
    balance = StickyBalance(WeightedBalance())
    total = sum(weights)
    for number in range(1, calls + 1):
        load = balance.choose(loads, 0.0, session)
        load.inflight += 1
        assert load.inflight <= ceil(LOAD_BOUND * number * load.weight / total)


def test_sessions_are_spread_by_weight() -> None:
    loads = named([1, 1, 2])
    balance = StickyBalance(WeightedBalance())
    homes = Counter(balance.choose(loads, 0.0, b"%d" % n).name for n in range(4000))
    assert 900 < homes["t0"] < 1100
    assert 900 < homes["t1"] < 1100
    assert 1900 < homes["t2"] < 2100
