"""Ranks, against scipy and against what R 4 prints for the examples of its `wilcox.test`."""

import numpy as np
import pytest

from headrace.bench.statistics.distributions import FloatArray
from headrace.bench.statistics.figures import Interval
from headrace.bench.statistics.ranks import (
    mann_whitney_p_least,
    rank_test,
    shift_between,
    shift_of_pairs,
)

stats = pytest.importorskip("scipy.stats")

# Hollander and Wolfe (1973), 29 f. and 69 f., as in R's help page.
DEPRESSION_BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
DEPRESSION_AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
AT_TERM = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
IN_WEEKS_12_TO_26 = np.array([1.15, 0.88, 0.90, 0.74, 1.21])


def arms(seed: int, runs: int, digits: int | None = None) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=runs), rng.normal(0.5, size=runs + 2)
    return (a, b) if digits is None else (np.round(a, digits), np.round(b, digits))


@pytest.mark.parametrize("runs", [1, 4, 9, 29])
@pytest.mark.parametrize("seed", [1, 2])
def test_exact_p_is_scipys(seed: int, runs: int) -> None:
    a, b = arms(seed, runs)
    expected = stats.mannwhitneyu(b, a, method="exact")
    assert rank_test(a, b).p == pytest.approx(expected.pvalue)
    assert rank_test(a, b).a12 == expected.statistic / (len(a) * len(b))


@pytest.mark.parametrize(("runs", "digits"), [(6, 0), (20, 1), (50, None)])
def test_p_of_ties_and_of_many_is_scipys(runs: int, digits: int | None) -> None:
    a, b = arms(3, runs, digits)
    expected = stats.mannwhitneyu(b, a, method="asymptotic")
    assert rank_test(a, b).p == pytest.approx(expected.pvalue)


def test_what_is_all_the_same_has_no_direction() -> None:
    same = rank_test(np.ones(5), np.ones(5))
    assert (same.p, same.a12, same.cliffs_delta) == (1.0, 0.5, 0.0)


def test_what_is_always_above_is_told() -> None:
    apart = rank_test(np.arange(4.0), np.arange(4.0) + 10)
    assert (apart.a12, apart.cliffs_delta) == (1.0, 1.0)
    assert apart.p == pytest.approx(mann_whitney_p_least(4, 4)) == pytest.approx(0.02857, rel=1e-3)


def test_unpaired_is_as_in_r() -> None:
    """W = 35, p = 0.2544; estimate 0.305, 95 percent confidence interval -0.15 to 0.76."""
    told = rank_test(IN_WEEKS_12_TO_26, AT_TERM)
    assert told.p == pytest.approx(0.2544, abs=5e-5)
    assert told.a12 == 35 / 50
    shift = shift_between(IN_WEEKS_12_TO_26, AT_TERM)
    assert shift.estimate == pytest.approx(0.305)
    assert (shift.interval.low, shift.interval.high) == pytest.approx((-0.15, 0.76))


def test_paired_is_as_in_r() -> None:
    """V = 40; (pseudo)median 0.46, 95 percent confidence interval 0.010 to 0.786."""
    shift = shift_of_pairs(DEPRESSION_BEFORE - DEPRESSION_AFTER)
    assert shift.estimate == pytest.approx(0.46)
    assert (shift.interval.low, shift.interval.high) == pytest.approx((0.010, 0.786))


def test_intervals_of_many_follow_the_normal_curve() -> None:
    rng = np.random.default_rng(4)
    few, many = rng.normal(size=60), rng.normal(size=61)
    for shift in (shift_of_pairs(few), shift_of_pairs(many), shift_between(few, many)):
        assert isinstance(shift.interval, Interval)
        assert shift.interval.low < shift.estimate < shift.interval.high
    near = shift_of_pairs(many).interval
    exact = stats.norm.interval(0.95, scale=1 / np.sqrt(61 * 3 / np.pi))
    assert near.high - near.low == pytest.approx(exact[1] - exact[0], rel=0.25)


@pytest.mark.parametrize("is_paired", [True, False])
def test_intervals_cover_as_often_as_they_say(*, is_paired: bool) -> None:
    rng = np.random.default_rng(5)
    hits, tries = 0, 1_000
    for _ in range(tries):
        a, b = rng.normal(size=(2, 9))
        shift = shift_of_pairs(b - a) if is_paired else shift_between(a, b)
        hits += shift.interval.low <= 0.0 <= shift.interval.high
    assert hits >= stats.binom.ppf(0.0001, tries, 0.95)


@pytest.mark.parametrize(("pairs", "level"), [(2, 0.5), (5, 0.9375), (6, 0.95)])
def test_an_interval_of_few_pairs_has_the_level_that_they_can_have(
    pairs: int, level: float
) -> None:
    """From the least to the most, which half of all pairs of differences lie on one side of."""
    shift = shift_of_pairs(np.arange(1.0, pairs + 1))
    assert (shift.interval.low, shift.interval.high) == (1.0, pairs)
    assert shift.interval.level == pytest.approx(level)


def test_so_has_one_of_few_runs() -> None:
    shift = shift_between(np.arange(2.0), np.arange(2.0) + 5)
    assert shift.interval.level == pytest.approx(1 - 2 / 6)
