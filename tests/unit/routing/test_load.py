"""How busy a target looks."""

from math import exp

import pytest

from headrace.routing.balance import LatencyBalance
from headrace.routing.load import UNKNOWN_S, Load


def test_slow_answer_counts_at_once_and_is_forgotten_slowly() -> None:
    load = Load("a", decay_s=10.0)
    load.observe(0.5, 0.0)
    load.observe(4.0, 1.0)
    assert load.latency_s(1.0) == 4.0
    load.observe(0.5, 11.0)
    assert load.latency_s(11.0) == pytest.approx(0.5 + 3.5 * exp(-1))


def test_nobody_asked_is_forgotten_and_one_call_finds_out() -> None:
    slow, fast = Load("slow", decay_s=10.0), Load("fast", decay_s=10.0)
    slow.observe(5.0, 0.0)
    fast.observe(0.5, 0.0)
    fast.inflight += 1
    balance = LatencyBalance()
    assert balance.choose([slow, fast], 0.0) is fast
    assert balance.choose([slow, fast], 30.0) is slow
    slow.inflight += 1
    assert balance.choose([slow, fast], 30.1) is fast


def test_unknown_is_tried_first_and_not_given_everything() -> None:
    new, known = Load("new"), Load("known")
    known.observe(0.5, 0.0)
    assert LatencyBalance().choose([known, new], 0.0) is new
    new.inflight += 1
    assert new.waiting_s(0.0) == 2 * UNKNOWN_S
    assert LatencyBalance().choose([known, new], 0.0) is known


def test_calls_under_way_count() -> None:
    load = Load("a")
    load.observe(2.0, 0.0)
    assert load.waiting_s(0.0) == 2.0
    load.inflight += 1
    load.inflight += 1
    assert load.waiting_s(0.0) == 6.0
    load.inflight -= 1
    assert load.waiting_s(0.0) == 4.0


def test_clock_that_goes_back_changes_nothing() -> None:
    load = Load("a")
    load.observe(2.0, 10.0)
    load.observe(1.0, 5.0)
    assert load.latency_s(5.0) == 2.0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_weight_is_above_nothing(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        Load("a", weight=weight)
