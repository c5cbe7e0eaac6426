"""Quantiles: well estimated, with intervals where there are enough values, and over both arms."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from headrace.bench.statistics.comparison import compare_all
from headrace.bench.statistics.distributions import FloatArray, beta_cdf_steps, binomial_cdf
from headrace.bench.statistics.figures import LEVEL, Interval, check_level
from headrace.bench.statistics.question import Comparison, Question

DECILES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class QuantileShift(msgspec.Struct, frozen=True):
    """How one quantile moved.

    Attributes:
        share: which quantile: 0.99 for the p99.
        comparison: B against A at this quantile, with the run as the unit.
    """

    share: float
    comparison: Comparison


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile by Harrell and Davis (1982): all values, weighed by how near they may be to it.

    Raises:
        ValueError: no values, one that is not finite, or a share outside 0 to 1.
    """
    ordered = _ordered(values, share)
    size = ordered.size
    weights = np.diff(beta_cdf_steps(size, (size + 1) * share, (size + 1) * (1.0 - share)))
    return float(ordered @ weights)


def quantile_interval(
    values: Sequence[float], share: float, *, level: float = LEVEL, independent: float | None = None
) -> Interval | None:
    """Where a quantile lies, by the values in order; None: too few values to say.

    At 95 % it takes 368 independent values for the p99, and 3,688 for the p99.9.

    Args:
        values: in any order.
        share: which quantile.
        level: of the interval, at least.
        independent: how many independent values they are worth (`effective_size`); without it all
            count, which is wrong for requests of one run.

    Raises:
        ValueError: as `quantile`, or `independent` is not between 1 and the number of values.
    """
    check_level(level)
    ordered = _ordered(values, share)
    worth = float(ordered.size) if independent is None else independent
    if not 1.0 <= worth <= ordered.size:
        raise ValueError("`independent` is between 1 and the number of values")
    tail = (1.0 - level) / 2.0
    if max(share, 1.0 - share) ** worth > tail:
        return None
    # Ranks from 1 on: P(fewer than `low` values lie below) and its mirror are at most `tail`.
    low, high = 0, math.floor(worth)
    while high - low > 1:
        middle = (low + high) // 2
        is_far = binomial_cdf(middle - 1, worth, share) <= tail
        low, high = (middle, high) if is_far else (low, middle)
    first = low
    low, high = 0, math.floor(worth)
    while high - low > 1:
        middle = (low + high) // 2
        is_far = 1.0 - binomial_cdf(middle - 1, worth, share) <= tail
        low, high = (low, middle) if is_far else (middle, high)
    stretch = ordered.size / worth
    below = max(0, math.floor(first * stretch) - 1)
    above = min(ordered.size - 1, math.ceil(high * stretch) - 1)
    return Interval(float(ordered[below]), float(ordered[above]), level)


def shift_function(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    question: Question,
    rng: np.random.Generator,
    shares: Sequence[float] = DECILES,
) -> tuple[QuantileShift, ...]:
    """How much B moved at each quantile: a mean may hide a tail that grew.

    Args:
        a: what was measured in each run of A, such as the latencies of its requests.
        b: the same of B; for pairs, in the same order. A run without values failed.
        question: what is asked at each quantile; all of them are one family.
        rng: chance for the bootstrap.
        shares: which quantiles; each once.
    """
    questions = tuple(
        msgspec.structs.replace(question, metric=f"{question.metric} at {share:g}")
        for share in shares
    )
    runs = {
        each.metric: (_of_each(a, share), _of_each(b, share))
        for each, share in zip(questions, shares, strict=True)
    }
    answers = compare_all(runs, questions, rng)
    return tuple(map(QuantileShift, shares, answers))


def _of_each(runs: Sequence[Sequence[float]], share: float) -> list[float | None]:
    return [_quantile_or_nan(run, share) if len(run) else None for run in runs]


def _quantile_or_nan(run: Sequence[float], share: float) -> float:
    """A run with a figure that is none has no quantile either, and makes no verdict."""
    return quantile(run, share) if all(map(math.isfinite, run)) else math.nan


def _ordered(values: Sequence[float], share: float) -> FloatArray:
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not ordered.size or not np.all(np.isfinite(ordered)):
        raise ValueError("a quantile is of at least one value, and of finite ones")
    if not 0.0 < share < 1.0:
        raise ValueError(f"a quantile lies between 0 and 1, not {share}")
    return ordered
