"""What a difference is worth: dollars and instances, with the interval that trials leave."""

import math

import numpy as np
import pytest

from headrace.bench.impact import Spent, Terms, impact


def trials(usd: float, kept: float, *, count: int = 10, noise: float = 0.05) -> list[Spent]:
    rng = np.random.default_rng(3)
    return [
        Spent(
            usd=usd * float(np.exp(noise * rng.normal())),
            answered=1000.0,
            good=500.0,
            kept_per_s=kept * float(np.exp(noise * rng.normal())),
        )
        for _ in range(count)
    ]


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_half_the_cost_is_half_the_cost() -> None:
    found = impact(trials(4.0, 10.0), trials(2.0, 40.0), Terms(prices_date="2026-11-20"), rng())
    assert found is not None
    assert found.saved_share.value == pytest.approx(0.5)
    assert found.saved_share.interval.low <= 0.5 <= found.saved_share.interval.high
    assert found.pairs == 10
    # Half of what was answered was good, so a good one costs twice as much.
    assert found.a.usd_per_1000.value == pytest.approx(8.0, rel=0.1)


def test_a_month_is_users_and_days_and_nothing_else() -> None:
    terms = Terms(users=10, requests_per_user_day=5.0, days=20)
    found = impact(trials(4.0, 10.0, noise=0.0), trials(2.0, 40.0, noise=0.0), terms, rng())
    assert found is not None
    assert found.a.usd_a_month.value == pytest.approx(10 * 5 * 20 * 4.0 / 1000)
    assert found.saved_a_month.value == pytest.approx(10 * 5 * 20 * 2.0 / 1000)


def test_instances_are_whole_and_at_the_models_own_pace() -> None:
    terms = Terms(users=86_400, requests_per_user_day=1.0, peak=10.0, speed=2.0)
    found = impact(trials(1.0, 8.0, noise=0.0), trials(1.0, 3.0, noise=0.0), terms, rng())
    assert found is not None
    # Ten requests a second at the peak; twice as fast as real, so an instance does 4 and 1.5.
    assert found.a.instances.value == 3
    assert found.b.instances.value == 7


def test_pairs_are_drawn_together() -> None:
    """What both arms share, such as a slow machine, is no uncertainty of what lies between."""
    a = [
        Spent(usd=cost, answered=1000.0, good=500.0, kept_per_s=10.0)
        for cost in (1.0, 2.0, 4.0, 8.0, 3.0, 5.0)
    ]
    b = [Spent(usd=each.usd / 4, answered=1000.0, good=500.0, kept_per_s=10.0) for each in a]
    found = impact(a, b, Terms(), rng())
    assert found is not None
    saved, cost = found.saved_share.interval, found.a.usd_per_1000.interval
    assert saved.high - saved.low == pytest.approx(0.0, abs=1e-9)
    assert cost.high - cost.low > 1.0


def test_fewer_trials_leave_more_open() -> None:
    wide, narrow = (
        impact(trials(4.0, 9.0, count=n), trials(2.0, 9.0, count=n)[::-1], Terms(), rng())
        for n in (6, 60)
    )
    assert wide is not None
    assert narrow is not None
    assert _width(wide.saved_share.interval) > 2 * _width(narrow.saved_share.interval)


def test_where_nothing_keeps_the_level_no_number_of_instances_does() -> None:
    found = impact(trials(4.0, 0.0), trials(2.0, 40.0), Terms(), rng())
    assert found is not None
    assert math.isinf(found.a.instances.value)
    assert math.isinf(found.a.instances.interval.high)
    assert math.isfinite(found.b.instances.interval.high)


def test_an_arm_that_costs_nothing_saves_everything() -> None:
    found = impact(trials(4.0, 1.0), trials(0.0, 1.0), Terms(), rng())
    assert found is not None
    assert found.saved_share.value == 1.0


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_trials_are_worth_nothing(count: int) -> None:
    assert (
        impact(trials(4.0, 1.0, count=count), trials(2.0, 1.0, count=count), Terms(), rng()) is None
    )


def test_nothing_succeeded_is_worth_nothing() -> None:
    none = [Spent(usd=1.0, answered=9.0, good=0.0, kept_per_s=0.0)] * 6
    assert impact(none, trials(2.0, 1.0, count=6), Terms(), rng()) is None


def test_arms_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        impact(trials(4.0, 1.0, count=3), trials(2.0, 1.0, count=4), Terms(), rng())


def test_the_same_seed_gives_the_same_intervals() -> None:
    first, second = (impact(trials(4.0, 1.0), trials(2.0, 1.0), Terms(), rng()) for _ in range(2))
    assert first == second


def _width(interval: object) -> float:
    return interval.high - interval.low  # type: ignore[attr-defined,no-any-return]
