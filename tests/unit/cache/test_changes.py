"""Rates of change from censored observations."""

import random
from math import exp, inf, isfinite

import pytest

from headrace.cache.changes import ChangeEstimate, ChangeRate, changes_allowed, stale_share


def watched(
    rate: float, *, noise: float = 0.0, age_s_max: float = 3600.0, count: int = 300, seed: int = 1
) -> ChangeRate:
    dice = random.Random(seed)
    estimate = ChangeEstimate()
    for _ in range(count):
        age_s = dice.uniform(0.0, age_s_max)
        is_same = dice.random() < (1.0 - noise) * exp(-rate * age_s)
        estimate.observe(age_s, changed=not is_same)
    return estimate.fit()


@pytest.mark.parametrize("rate", [1 / 600, 1 / 3600, 1 / 20_000])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_the_interval_holds_the_true_rate_about_as_often_as_it_says(
    rate: float, noise: float
) -> None:
    fits = [watched(rate, noise=noise, seed=seed) for seed in range(60)]
    held = sum(fit.per_s_low <= rate <= fit.per_s_high for fit in fits)
    assert held >= 52  # 95 % of 60 is 57; fewer than 52 comes once in 50 fair tries
    assert sorted(fit.per_s for fit in fits)[30] == pytest.approx(rate, rel=0.6)


def test_noise_is_not_taken_for_change() -> None:
    fit = watched(0.0, noise=0.3)
    assert fit.per_s_low == 0.0
    assert fit.noise_share == pytest.approx(0.3, abs=0.08)


def test_without_any_change_the_rate_is_bounded_from_above() -> None:
    estimate = ChangeEstimate(memory=1e9)
    for age_s in range(1, 3601, 36):
        estimate.observe(float(age_s), changed=False)
    fit = estimate.fit()
    # The likelihood ratio by hand: exp(-rate * sum of ages) falls to exp(-1.92).
    assert fit.per_s_high == pytest.approx(1.92 / sum(range(1, 3601, 36)), rel=0.05)
    assert fit.per_s_low == 0.0


def test_where_everything_changed_the_rate_has_no_upper_end() -> None:
    estimate = ChangeEstimate()
    for _ in range(50):
        estimate.observe(600.0, changed=True)
    fit = estimate.fit()
    assert fit.per_s_high == inf
    assert fit.per_s_low > 1 / 700


def test_nothing_observed_is_no_rate() -> None:
    with pytest.raises(ValueError, match="observed"):
        ChangeEstimate().fit()


@pytest.mark.parametrize("age_s", [0.0, -5.0, 1e12])
def test_ages_beyond_sense_are_counted(age_s: float) -> None:
    estimate = ChangeEstimate()
    estimate.observe(age_s, changed=True)
    estimate.observe(age_s, changed=False)
    assert isfinite(estimate.fit().per_s)


def test_old_observations_fade() -> None:
    estimate = ChangeEstimate(memory=50.0)
    dice = random.Random(3)
    for _ in range(400):
        estimate.observe(dice.uniform(1, 600), changed=True)
    for _ in range(400):
        estimate.observe(dice.uniform(1, 600), changed=False)
    assert estimate.weight <= 50.0
    assert estimate.fit().per_s < 1 / 3000


def test_stale_share_is_half_the_changes_where_they_are_few_and_one_where_many() -> None:
    assert stale_share(0.02) == pytest.approx(0.01, rel=0.01)
    assert stale_share(1e4) == pytest.approx(1.0, abs=1e-3)
    assert stale_share(0.0) == 0.0
    assert stale_share(changes_allowed(0.05)) == pytest.approx(0.05)
