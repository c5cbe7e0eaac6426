"""When a second call is worth it."""

from random import Random

import pytest

from headrace.flow.hedging import Hedges, HedgeTerms, Hedging
from headrace.flow.quantiles import DURATION_S_MAX, DURATION_S_MIN, DurationSketch


def warmed(terms: HedgeTerms, seed: int = 1, calls: int = 1000) -> Hedging:
    """Knows times drawn evenly from 0 to 1 s."""
    hedging, dice = Hedging(terms), Random(seed)
    for _ in range(calls):
        hedging.observe(dice.random())
    return hedging


def test_nothing_is_hedged_before_enough_is_known() -> None:
    hedging = warmed(HedgeTerms(samples_min=50, share=1.0), calls=49)
    assert hedging.begin(0.0) is None
    assert not hedging.try_hedge(9.0, has_begun=False)
    hedging.observe(0.5)
    assert hedging.begin(0.0) is not None


def test_waits_for_the_p95_or_as_long_as_the_budget_wants() -> None:
    assert warmed(HedgeTerms(share=0.2)).delay_s == pytest.approx(0.95, rel=0.1)
    assert warmed(HedgeTerms(share=0.02)).delay_s == pytest.approx(0.98, rel=0.1)
    assert warmed(HedgeTerms(quantile=0.5, share=0.6)).delay_s == pytest.approx(0.5, rel=0.1)


def test_delay_has_a_least() -> None:
    hedging = Hedging(HedgeTerms(delay_s_min=0.02, samples_min=1))
    hedging.observe(0.001)
    assert hedging.delay_s == 0.02


def test_never_after_the_first_token() -> None:
    hedging = warmed(HedgeTerms(share=1.0))
    hedging.begin(0.0)
    assert not hedging.try_hedge(1.0, has_begun=True)
    assert hedging.try_hedge(1.0, has_begun=False)


def test_never_where_the_deadline_would_pass_first() -> None:
    hedging = warmed(HedgeTerms(share=1.0))
    hedging.begin(0.0)
    assert not hedging.try_hedge(1.0, has_begun=False, deadline_s=1.2)
    assert hedging.budget.spent == 0
    assert hedging.try_hedge(1.0, has_begun=False, deadline_s=2.0)


def test_hedges_are_a_share_of_the_requests() -> None:
    hedging = warmed(HedgeTerms(share=0.02))
    for number in range(5000):
        hedging.begin(number / 100)
        hedging.try_hedge(number / 100, has_begun=False)
    assert hedging.budget.spent == 100


def test_delay_follows_what_is_seen_of_late() -> None:
    hedging = warmed(HedgeTerms(memory=500))
    for _ in range(3000):
        hedging.observe(5.0)
    assert hedging.delay_s == pytest.approx(5.0, rel=0.1)


def test_calls_are_compared_with_their_likes() -> None:
    hedges = Hedges(HedgeTerms(samples_min=1, delay_s_min=0.001), same_target=False)
    short = hedges.of(is_stream=True, request_bytes=100)
    short.observe(0.1)
    assert hedges.of(is_stream=True, request_bytes=4000) is short
    whole = hedges.of(is_stream=False, request_bytes=100)
    whole.observe(9.0)
    long = hedges.of(is_stream=True, request_bytes=1 << 20)
    long.observe(3.0)
    delays_s = [each.delay_s for each in (short, whole, long)]
    assert delays_s == [pytest.approx(each, rel=0.1) for each in (0.1, 9.0, 3.0)]


def test_all_kinds_draw_on_one_budget() -> None:
    hedges = Hedges(HedgeTerms(samples_min=1, share=0.5), same_target=False)
    short = hedges.of(is_stream=True, request_bytes=1)
    whole = hedges.of(is_stream=False, request_bytes=1)
    for hedging in (short, whole):
        hedging.observe(0.1)
        hedging.begin(0.0)
    assert short.try_hedge(1.0, has_begun=False)
    assert not whole.try_hedge(1.0, has_begun=False)
    assert (hedges.budget.requests, hedges.budget.spent) == (2, 1)


def test_there_are_few_kinds_whatever_is_asked() -> None:
    hedges = Hedges(HedgeTerms(), same_target=False)
    for bits in range(33):
        for is_stream in (False, True):
            hedges.of(is_stream=is_stream, request_bytes=(1 << bits) - 1)
    assert len(hedges._kinds) == 22


def test_what_became_of_second_calls_is_counted() -> None:
    hedges = Hedges(HedgeTerms(), same_target=False)
    hedges.ended("won")
    hedges.ended("won")
    hedges.spent(10, 0.5)
    assert (hedges.outcomes, hedges.input_tokens, hedges.usd) == ({"won": 2}, 10, 0.5)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.99])
def test_sketch_is_right_to_a_tenth(share: float) -> None:
    sketch, dice = DurationSketch(memory=10**9), Random(7)
    durations = [dice.lognormvariate(0.0, 2.0) for _ in range(5000)]
    for duration_s in durations:
        sketch.add(duration_s)
    exact = sorted(durations)[int(share * 5000)]
    assert sketch.quantile_s(share) == pytest.approx(exact, rel=0.06)


def test_sketch_keeps_to_its_bounds() -> None:
    sketch = DurationSketch(memory=4)
    assert sketch.quantile_s(0.5) is None
    for duration_s in (-1.0, 0.0, 1e-9):
        sketch.add(duration_s)
    assert sketch.quantile_s(1.0) == DURATION_S_MIN
    for _ in range(20):
        sketch.add(1e9)
    assert sketch.quantile_s(1.0) == DURATION_S_MAX
    assert sketch.weight <= 4
