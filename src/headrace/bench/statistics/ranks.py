"""What ranks tell: Mann-Whitney, A12, Cliff's delta, Hodges-Lehmann shifts with intervals."""

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from headrace.bench.statistics.distributions import NORMAL, FloatArray
from headrace.bench.statistics.figures import LEVEL, Interval

# Counts of rankings fit into 64 bits up to here.
_EXACT_RUNS_MAX: Final = 60


class RankTest(msgspec.Struct, frozen=True):
    """What ranks say of two arms.

    Attributes:
        p: two-sided p of Mann and Whitney that neither arm tends to be larger.
        a12: how often a run of B is larger than one of A, ties half (Vargha and Delaney 2000).
        cliffs_delta: 2 a12 - 1: from -1, B always smaller, to 1, B always larger.
    """

    p: float
    a12: float
    cliffs_delta: float


class Shift(msgspec.Struct, frozen=True):
    """How far B lies from A.

    Attributes:
        estimate: the median of all differences (Hodges and Lehmann 1963).
        interval: where it lies, by the rank test turned around; its level is the one that so few
            runs can have, where that is lower than what was asked for.
    """

    estimate: float
    interval: Interval


def rank_test(a: FloatArray, b: FloatArray) -> RankTest:
    """Compare two arms by ranks: exactly up to 60 runs without ties, else by the normal curve."""
    above = np.sign(b[:, None] - a[None, :])
    wins = float(np.sum(above > 0) + 0.5 * np.sum(above == 0))
    a12 = wins / above.size
    return RankTest(_mann_whitney_p(a, b, wins), a12, 2.0 * a12 - 1.0)


def shift_between(a: FloatArray, b: FloatArray, level: float = LEVEL) -> Shift:
    """How far two unpaired arms lie apart."""
    apart = np.sort((b[:, None] - a[None, :]).ravel())
    if len(a) + len(b) <= _EXACT_RUNS_MAX:
        rank, level = _rank_of(_rankings(len(a), len(b)), level)
    else:
        sd = math.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12.0)
        rank = _rank_near(apart.size, sd, level)
    return _shift(apart, rank, level)


def shift_of_pairs(differences: FloatArray, level: float = LEVEL) -> Shift:
    """How far pairs lie apart: the median of the means of any two differences."""
    first, second = np.triu_indices(len(differences))
    means = np.sort((differences[first] + differences[second]) / 2.0)
    pairs = len(differences)
    if pairs <= _EXACT_RUNS_MAX:
        rank, level = _rank_of(_signed_rankings(pairs), level)
    else:
        sd = math.sqrt(pairs * (pairs + 1) * (2 * pairs + 1) / 24.0)
        rank = _rank_near(means.size, sd, level)
    return _shift(means, rank, level)


def mann_whitney_p_least(runs_a: int, runs_b: int) -> float:
    """The smallest p that the exact test can give at all."""
    return 2.0 / math.comb(runs_a + runs_b, runs_a)


def _shift(ordered: FloatArray, rank: int, level: float) -> Shift:
    low, high = float(ordered[rank - 1]), float(ordered[ordered.size - rank])
    return Shift(float(np.median(ordered)), Interval(low, high, level))


def _rank_of(ways: NDArray[np.int64], level: float) -> tuple[int, float]:
    """The ordered value that the interval begins at, as R's `wilcox.test` counts, and its level.

    That is a lower one where the runs are too few: from the least to the most of all differences
    is as wide as they have any.
    """
    shares = np.cumsum(ways) / np.sum(ways)
    rank = int(np.searchsorted(shares, (1.0 - level) / 2.0))
    return (rank, level) if rank else (1, min(level, 1.0 - 2.0 * float(shares[0])))


def _rank_near(values: int, sd: float, level: float) -> int:
    reach = NORMAL.inv_cdf(0.5 + level / 2.0) * sd
    return max(1, math.floor(values / 2.0 - reach))


def _mann_whitney_p(a: FloatArray, b: FloatArray, wins: float) -> float:
    both, pairs = len(a) + len(b), len(a) * len(b)
    _, ties = np.unique(np.concatenate((a, b)), return_counts=True)
    if both <= _EXACT_RUNS_MAX and len(ties) == both:
        ways = _rankings(len(a), len(b))
        outer = int(max(wins, pairs - wins))
        return min(1.0, 2.0 * float(np.sum(ways[outer:]) / np.sum(ways)))
    tied = float(np.sum(ties**3.0 - ties)) / (both * (both - 1.0))
    sd = math.sqrt(pairs / 12.0 * (both + 1.0 - tied))
    if sd == 0.0:
        return 1.0
    reach = max(0.0, abs(wins - pairs / 2.0) - 0.5)
    return min(1.0, 2.0 * NORMAL.cdf(-reach / sd))


def _rankings(runs_a: int, runs_b: int) -> NDArray[np.int64]:
    """How many rankings have each number of wins: the coefficients of a Gaussian binomial."""
    ways = np.zeros(runs_a * runs_b + 1, dtype=np.int64)
    ways[0] = 1
    for step in range(1, runs_b + 1):
        jump = runs_a + step
        ways[jump:] -= ways[:-jump].copy() if jump < ways.size else 0
        for start in range(min(step, ways.size)):
            ways[start::step] = np.cumsum(ways[start::step])
    return ways


def _signed_rankings(pairs: int) -> NDArray[np.int64]:
    """How many signs give each sum of positive ranks."""
    ways = np.zeros(pairs * (pairs + 1) // 2 + 1, dtype=np.int64)
    ways[0] = 1
    for rank in range(1, pairs + 1):
        ways[rank:] += ways[:-rank].copy()
    return ways
