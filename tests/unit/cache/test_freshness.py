"""Soft and hard lives, and early refresh of what is in demand."""

import random

import pytest

from headrace.cache.freshness import CLOCK_SKEW_S_MAX, EarlyRefresh, Freshness, freshness, gone_at_s


@pytest.mark.parametrize(
    ("now_s", "state"),
    [
        (0.0, Freshness.FRESH),
        (99.9, Freshness.FRESH),
        (100.0, Freshness.STALE_WHILE_REVALIDATE),
        (129.9, Freshness.STALE_WHILE_REVALIDATE),
        (130.0, Freshness.STALE_IF_ERROR),
        (159.9, Freshness.STALE_IF_ERROR),
        (160.0, Freshness.GONE),
    ],
)
def test_a_life_goes_through_its_states(now_s: float, state: Freshness) -> None:
    assert freshness(now_s, 0.0, 100.0, 30.0, 60.0) is state


def test_errors_may_be_covered_no_longer_than_callers_are() -> None:
    assert freshness(110.0, 0.0, 100.0, 30.0, 5.0) is Freshness.STALE_WHILE_REVALIDATE
    assert freshness(130.0, 0.0, 100.0, 30.0, 5.0) is Freshness.GONE


def test_without_stale_times_the_end_is_hard() -> None:
    assert freshness(100.0, 0.0, 100.0, 0.0, 0.0) is Freshness.GONE


def test_what_was_stored_in_the_future_is_gone_beyond_the_skew_of_clocks() -> None:
    stored_s = 1000.0
    assert freshness(stored_s - CLOCK_SKEW_S_MAX, stored_s, 2000.0, 0, 0) is Freshness.FRESH
    assert freshness(stored_s - CLOCK_SKEW_S_MAX - 1, stored_s, 2000.0, 0, 0) is Freshness.GONE


def test_gone_is_when_the_longer_time_is_over() -> None:
    assert gone_at_s(100.0, 30.0, 60.0) == 160.0
    assert gone_at_s(100.0, 30.0, 0.0) == 130.0
    assert gone_at_s(100.0, 0.0, 0.0) == 100.0


def early(draw: float = 0.5, **settings: float) -> EarlyRefresh:
    return EarlyRefresh(uniform=lambda: draw, **settings)  # type: ignore[arg-type]


def test_nothing_is_drawn_before_the_careful_time() -> None:
    def refuse() -> float:
        raise AssertionError("drawn")

    plan = EarlyRefresh(uniform=refuse)
    careful_s = plan.careful_s(0.0, 100.0, 3.0)
    assert not plan.is_due(careful_s - 0.1, careful_s, 100.0, 3.0, 10_000)


def test_what_is_not_in_demand_is_left_alone() -> None:
    plan = early(draw=0.999999, window_s=10.0, hits_min=10)
    assert not plan.is_due(99.9, 90.0, 100.0, 3.0, late_uses=9)
    assert plan.is_due(99.9, 90.0, 100.0, 3.0, late_uses=10)


def test_demand_is_a_rate_where_more_than_a_window_has_passed() -> None:
    plan = early(draw=0.999999, window_s=10.0, hits_min=10)
    assert not plan.is_due(99.0, 59.0, 100.0, 3.0, late_uses=39)
    assert plan.is_due(99.0, 59.0, 100.0, 3.0, late_uses=40)


def test_a_draw_of_zero_and_one_below_one_can_be_used() -> None:
    assert not early(draw=0.0).is_due(99.9, 90.0, 100.0, 3.0, 1000)
    assert early(draw=1.0 - 2**-53).is_due(90.0, 80.0, 100.0, 3.0, 1000)


def test_of_a_short_life_half_is_left_in_peace() -> None:
    assert early().careful_s(0.0, 8.0, 3.0) == 4.0


def test_a_larger_beta_refreshes_earlier() -> None:
    def mean_s(beta: float) -> float:
        dice = random.Random(5)
        plan = EarlyRefresh(uniform=dice.random, beta=beta)
        firsts = []
        for _ in range(300):
            now_s = 900.0
            while not plan.is_due(now_s, 900.0, 1000.0, 3.0, 100_000):
                now_s += 0.05
            firsts.append(1000.0 - now_s)
        return sum(firsts) / len(firsts)

    early_s, late_s = mean_s(2.0), mean_s(0.5)
    assert early_s > 2.0 * late_s > 0.0


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"window_s": 0.0}])
def test_settings_without_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        early(**settings)
