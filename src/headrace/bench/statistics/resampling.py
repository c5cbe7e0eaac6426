"""Bootstrap intervals of means, and the sign-flip test. All take many samples at once.

The last axis of what is given is the runs of one sample. Chance comes from the generator.
"""

import math
from typing import Final

import numpy as np

from headrace.bench.statistics.distributions import NORMAL, FloatArray, student_quantile

RESAMPLES: Final = 9_999
# Up to here all signs are tried: 32,768 ways, for the other half mirrors them.
_EXACT_RUNS_MAX: Final = 16
# Sums that are equal but for rounding count as equal.
_ROUNDING: Final = 1e-9


def bootstrap_means(
    values: FloatArray, rng: np.random.Generator, resamples: int = RESAMPLES
) -> FloatArray:
    """Means of samples drawn from `values` with replacement; the draws come last."""
    runs = values.shape[-1]
    counts = rng.multinomial(runs, np.full(runs, 1.0 / runs), size=resamples)
    return np.asarray(values @ (counts.T / runs), dtype=np.float64)


def tail_of(level: float, runs: int, freedom: float) -> float:
    """How much to leave out at either end of the draws of a mean of `runs` runs.

    The percentiles themselves are too narrow for few runs, by the factor that divides by n in
    place of n - 1 and by the normal tails in place of Student's. This widens them by both
    (Hesterberg, What Teachers Should Know About the Bootstrap, 2015, 5.3).
    """
    reach = student_quantile(0.5 + level / 2.0, freedom) * math.sqrt(runs / (runs - 1.0))
    return NORMAL.cdf(-reach)


def student_bounds(
    centre: float, error: float, freedom: float, level: float
) -> tuple[float, float]:
    """Where a mean lies by Student's t, for runs too few to be drawn from.

    No draw lies beyond the runs, and the mean lies beyond both of two runs every other time.

    Args:
        centre: the mean, or the difference of two.
        error: its standard error.
        freedom: degrees of freedom of that.
        level: of the interval.
    """
    reach = student_quantile(0.5 + level / 2.0, freedom) * error
    return centre - reach, centre + reach


def percentile_bounds(draws: FloatArray, tail: float) -> tuple[FloatArray, FloatArray]:
    """The draws that `tail` of them lie below, and above."""
    low, high = np.quantile(draws, (tail, 1.0 - tail), axis=-1)
    return low, high


def sign_flip_p(
    differences: FloatArray, rng: np.random.Generator, resamples: int = RESAMPLES
) -> FloatArray:
    """Two-sided p that paired differences have no direction (Fisher's randomisation test).

    Exact up to 16 pairs; beyond, the share among random signs, the given ones included.
    """
    pairs = differences.shape[-1]
    seen = np.abs(differences.sum(axis=-1, keepdims=True))
    slack = _ROUNDING * np.abs(differences).sum(axis=-1, keepdims=True)
    if pairs <= _EXACT_RUNS_MAX:
        flipped = np.abs(differences @ _all_signs(pairs).T)
        return np.asarray(np.mean(flipped >= seen - slack, axis=-1))
    signs = rng.integers(0, 2, size=(resamples, pairs)) * 2.0 - 1.0
    as_far = np.sum(np.abs(differences @ signs.T) >= seen - slack, axis=-1)
    return np.asarray((as_far + 1.0) / (resamples + 1.0))


def sign_flip_p_least(pairs: int) -> float:
    """The smallest p that the test can give at all."""
    return 2.0 ** (1 - pairs)


def _all_signs(pairs: int) -> FloatArray:
    """Every way to sign, the first of them always plus."""
    ways = np.arange(2 ** (pairs - 1))[:, None] >> np.arange(pairs - 1)
    signs = np.ones((2 ** (pairs - 1), pairs))
    signs[:, 1:] -= 2.0 * (ways & 1)
    return signs
