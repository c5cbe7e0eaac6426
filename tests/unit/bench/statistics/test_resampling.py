"""Bootstrap intervals and sign flips: against scipy, and how often they hold."""

import numpy as np
import pytest

from headrace.bench.statistics.distributions import FloatArray
from headrace.bench.statistics.resampling import (
    bootstrap_means,
    percentile_bounds,
    sign_flip_p,
    sign_flip_p_least,
    tail_of,
)

stats = pytest.importorskip("scipy.stats")

TRIES = 2_000


@pytest.mark.parametrize("pairs", [3, 8, 11])
def test_exact_sign_flips_are_scipys(pairs: int) -> None:
    differences = np.random.default_rng(pairs).normal(0.4, size=pairs)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    told = float(sign_flip_p(differences, np.random.default_rng(0)))
    assert told == pytest.approx(expected.pvalue)


def test_many_pairs_are_flipped_at_random() -> None:
    differences = np.random.default_rng(1).normal(0.3, size=40)
    told = float(sign_flip_p(differences, np.random.default_rng(2)))
    assert told == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_smallest_p_is_reached() -> None:
    all_above = np.arange(1.0, 7.0)
    told = float(sign_flip_p(all_above, np.random.default_rng(0)))
    assert told == sign_flip_p_least(6) == 2 / 64


def test_equal_sums_count_as_equal() -> None:
    """0.1 + 0.2 is not 0.3 in floats, and must not change a p."""
    differences = np.array([0.1, 0.2, -0.3])
    assert float(sign_flip_p(differences, np.random.default_rng(0))) == 1.0


def test_sign_flips_reject_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    p = sign_flip_p(rng.normal(size=(TRIES, 10)), rng)
    low, high = stats.binom.interval(0.9999, TRIES, 0.05)
    assert low <= np.sum(p <= 0.05) <= high


def covered(values: FloatArray, rng: np.random.Generator, tail: float) -> int:
    low, high = percentile_bounds(bootstrap_means(values, rng, 1_999), tail)
    return int(np.sum((low <= 0.0) & (high >= 0.0)))


@pytest.mark.parametrize("runs", [6, 10, 20])
def test_widened_intervals_cover_and_plain_ones_do_not(runs: int) -> None:
    rng = np.random.default_rng(runs)
    values = rng.normal(size=(TRIES, runs))
    widened = covered(values, rng, tail_of(0.95, runs, runs - 1.0))
    plain = covered(values, rng, 0.025)
    assert widened >= 0.91 * TRIES
    assert plain < widened
    assert runs > 10 or plain < 0.925 * TRIES


def test_widening_vanishes_with_many_runs() -> None:
    assert tail_of(0.95, 100_000, 99_999.0) == pytest.approx(0.025, rel=1e-3)
    assert tail_of(0.95, 6, 5.0) < 0.0125


def test_draws_are_means_of_what_is_there() -> None:
    values = np.array([[1.0, 2.0, 6.0], [5.0, 5.0, 5.0]])
    draws = bootstrap_means(values, np.random.default_rng(0), 4_000)
    assert draws.shape == (2, 4_000)
    assert draws[0].min() == pytest.approx(1.0)
    assert draws[0].max() == pytest.approx(6.0)
    assert draws[0].mean() == pytest.approx(3.0, abs=0.1)
    assert draws[1] == pytest.approx(5.0)
