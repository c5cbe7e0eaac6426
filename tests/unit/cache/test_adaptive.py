"""Lifetimes move where observations say so, and nowhere else."""

import random
from itertools import pairwise
from math import exp, inf, isfinite

import pytest

from headrace.cache.adaptive import (
    AdaptiveTtl,
    ChangeEstimate,
    ChangeRate,
    changes_allowed,
    same_answer,
    stale_share,
)


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


def engine(**settings: float) -> AdaptiveTtl:
    given: dict[str, float] = {"ttl_s": 600.0, "ttl_min_s": 60.0, "ttl_max_s": 86_400.0}
    return AdaptiveTtl(uniform=random.Random(2).random, **{**given, **settings})  # type: ignore[arg-type]


def live(ttls: AdaptiveTtl, rate: float, checks: int = 2000, noise: float = 0.0) -> list[float]:
    """Check answers of even ages, as the lifetimes of the time have it."""
    dice = random.Random(4)
    path = []
    for _ in range(checks):
        age_s = dice.uniform(0.0, ttls.ttl_s("news"))
        is_same = dice.random() < (1.0 - noise) * exp(-rate * age_s)
        ttls.observe("news", age_s, changed=not is_same)
        path.append(ttls.ttl_s("news"))
    return path


@pytest.mark.parametrize(("rate", "noise"), [(1 / 1200, 0.0), (1 / 20_000, 0.0), (1 / 5000, 0.1)])
def test_the_lifetime_settles_where_staleness_is_as_wanted(rate: float, noise: float) -> None:
    path = live(engine(), rate, noise=noise)
    settled = sorted(path[-500:])[250]
    assert stale_share(rate * settled) == pytest.approx(0.05, rel=0.8)


def test_what_never_changes_lives_as_long_as_allowed() -> None:
    assert live(engine(), 0.0, checks=3000)[-1] == 86_400.0


def test_what_changes_all_the_time_lives_as_short_as_allowed() -> None:
    assert live(engine(), 1.0)[-1] == 60.0


def test_a_lifetime_moves_by_bounded_steps() -> None:
    path = [600.0, *live(engine(), 1 / 100_000)]
    moves = [after / before for before, after in pairwise(path)]
    assert max(moves) <= 1.5 + 1e-9
    assert min(moves) >= 0.5 - 1e-9
    assert path[20] == 600.0, "it moved before there were twenty observations"


def test_a_category_that_nothing_is_known_of_has_the_usual_lifetime() -> None:
    assert engine().ttl_s("never seen") == 600.0


def test_categories_are_bounded_and_the_longest_unobserved_one_goes() -> None:
    ttls = engine(categories_max=3)
    for name in "abcad":
        ttls.observe(name, 10.0, changed=False)
    assert [known.category for known in ttls.report()] == ["c", "a", "d"]


def test_checks_take_their_share_of_hits() -> None:
    ttls = engine(shadow_share=0.01)
    assert 70 <= sum(ttls.wants_check() for _ in range(10_000)) <= 130


@pytest.mark.parametrize(("share", "checked"), [(0.0, 0), (1.0, 500)])
def test_none_or_all_hits_can_be_checked(share: float, checked: int) -> None:
    ttls = engine(shadow_share=share)
    assert sum(ttls.wants_check() for _ in range(500)) == checked


@pytest.mark.parametrize(
    "settings",
    [
        {"ttl_min_s": 700.0},
        {"ttl_max_s": 500.0},
        {"ttl_min_s": 0.0},
        {"stale_share_max": 0.0},
        {"shadow_share": 1.5},
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"ttl_s|shares"):
        engine(**settings)


SAID = (
    b'{"id":"a","created":1,"choices":[{"message":{"content":"yes","tool_calls":[{"id":"c1"}]}}]}'
)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (SAID, True),
        (SAID.replace(b'"a"', b'"b"').replace(b"c1", b"c2").replace(b":1,", b":2,"), True),
        (b'{"choices":[{"message":{"tool_calls":[{}],"content":"yes"}}]}', True),
        (SAID.replace(b"yes", b"no"), False),
        (b"not json", False),
        (b"[" * 100_000, False),
        (b'"\xff"', False),
    ],
)
def test_answers_are_the_same_where_they_say_the_same(other: bytes, same: bool) -> None:
    assert same_answer(SAID, other) is same


def test_what_is_not_json_is_compared_by_its_bytes() -> None:
    assert same_answer(b"plain", b"plain")
    assert not same_answer(b"plain", b"plane")
