"""What a series of values in order tells: how much it says, whether it rises, where it broke."""

import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from headrace.bench.statistics.distributions import FloatArray
from headrace.bench.statistics.figures import LEVEL, Interval, check_level
from headrace.bench.statistics.slopes import slope, slope_interval

POINTS_MAX: Final = 2_000
"""Slopes are of all pairs of points: of longer series give medians of windows."""

HISTORY_MAX: Final = 400
"""Every order that is tried takes the square of as many steps: of longer histories, the end."""

_POINTS_LEAST: Final = 10
_PERMUTATIONS: Final = 999
_SEGMENT_LEAST: Final = 5


class Trend(msgspec.Struct, frozen=True):
    """Whether a series rises.

    Attributes:
        slope: change of the value in one unit of time: the median of all pairs (Theil 1950).
        interval: where the slope lies (Sen 1968), widened for values that follow their neighbours.
        direction: `rising` or `falling` if the whole interval is beyond the most that is allowed;
            `steady` if all of it is within; else `inconclusive`.
    """

    slope: float
    interval: Interval
    direction: Literal["rising", "falling", "steady", "inconclusive"]


def effective_size(values: Sequence[float]) -> float:
    """How many independent values say as much of the mean as these, which follow each other.

    The number of values over 1 + 2 times the sum of the autocorrelations, as far as sums of
    neighbouring ones are above 0 (Geyer 1992). Never more than there are.

    Raises:
        ValueError: a value is not finite.
    """
    x = _series(values)
    centred = x - x.mean() if x.size else x
    if x.size < 4 or not np.any(np.abs(centred) > 1e-12 * np.max(np.abs(x))):
        return float(x.size)
    spectrum = np.fft.rfft(centred / np.max(np.abs(centred)), 2 * x.size)
    products = np.fft.irfft(np.abs(spectrum) ** 2)[: x.size]
    correlations = products / products[0]
    pairs = correlations[: x.size // 2 * 2].reshape(-1, 2).sum(axis=1)
    first_low = int(np.argmax(pairs <= 0.0)) if np.any(pairs <= 0.0) else pairs.size
    total = 2.0 * float(np.sum(np.minimum.accumulate(pairs[:first_low]))) - 1.0
    return float(x.size / max(total, 1.0))


def trend(
    times: Sequence[float], values: Sequence[float], slope_max: float, level: float = LEVEL
) -> Trend | None:
    """Whether a soak leaks: by the slope of what was measured over time.

    Args:
        times: when the values were taken, ascending.
        values: as many; at most 2,000, for longer series medians of windows.
        slope_max: the most that it may rise or fall in one unit of time.
        level: of the interval.

    Returns:
        None where there are fewer than 10 values: too few to say.

    Raises:
        ValueError: a value is not finite, times do not ascend, or there are too many.
    """
    check_level(level)
    t, y = _series(times), _series(values)
    if t.size != y.size or t.size > POINTS_MAX or np.any(np.diff(t) <= 0.0) or slope_max < 0.0:
        raise ValueError("times ascend, are as many as values, at most 2,000; slope_max is not < 0")
    if t.size < _POINTS_LEAST:
        return None
    found = slope(t.tolist(), y.tolist())
    assert found is not None  # noqa: S101  # there are places, and they ascend
    # Values that follow their neighbours say less: Hamed and Rao (1998), in Geyer's sum.
    follow = t.size / effective_size((y - found.value * t).tolist())
    interval = slope_interval(found, y.tolist(), level, follow)
    return Trend(found.value, interval, _direction(interval, slope_max))


def change_points(
    values: Sequence[float],
    rng: np.random.Generator,
    *,
    p_max: float = 0.01,
    magnitude_least: float = 0.02,
) -> tuple[int, ...]:
    """Where the history of a metric broke: the first index of each new stretch, ascending.

    E-divisive (Matteson and James 2014): the split that parts the values best by energy distance
    is kept if hardly any order of the same values could be parted as well; then either side is
    looked at in the same way. Splits whose medians differ by less than `magnitude_least` of the
    earlier one are left out.

    Args:
        values: one for each build, in order; at most 400.
        rng: chance for the orders tried.
        p_max: how often a history without a break may be split.
        magnitude_least: the smallest relative change that is told.

    Raises:
        ValueError: a value is not finite, or there are too many.
    """
    x = _series(values)
    if x.size > HISTORY_MAX:
        raise ValueError(f"at most {HISTORY_MAX} values, not {x.size:,}")
    found: list[int] = []
    waiting = [(0, x.size)]
    while waiting:
        start, end = waiting.pop()
        split = _split(x[start:end], rng, p_max)
        if split is not None:
            found.append(start + split)
            waiting += [(start, start + split), (start + split, end)]
    ends = [0, *sorted(found), x.size]
    return tuple(
        middle
        for before, middle, after in zip(ends, ends[1:], ends[2:], strict=False)
        if _moved(x[before:middle], x[middle:after]) >= magnitude_least
    )


def _series(values: Sequence[float]) -> FloatArray:
    x = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(x)):
        raise ValueError("a series has finite values only")
    return x


def _direction(
    interval: Interval, slope_max: float
) -> Literal["rising", "falling", "steady", "inconclusive"]:
    if interval.low > slope_max:
        return "rising"
    if interval.high < -slope_max:
        return "falling"
    return "steady" if -slope_max <= interval.low <= interval.high <= slope_max else "inconclusive"


def _split(x: FloatArray, rng: np.random.Generator, p_max: float) -> int | None:
    """The best place to part the values, if parting them says anything."""
    if x.size < 2 * _SEGMENT_LEAST or np.ptp(x) == 0.0:
        return None
    best, at = _best_split(x, np.arange(x.size))
    as_good = 1
    for _ in range(_PERMUTATIONS):
        as_good += _best_split(x, rng.permutation(x.size))[0] >= best
        if as_good > p_max * (_PERMUTATIONS + 1):
            return None  # whatever the rest would say
    return at


def _best_split(x: FloatArray, order: NDArray[np.intp]) -> tuple[float, int]:
    """The largest energy between what comes before and after, and where."""
    distances = np.abs(x[order][:, None] - x[order][None, :])
    grown = np.cumsum(np.cumsum(distances, axis=0), axis=1)
    n = x.size
    cut = np.arange(_SEGMENT_LEAST, n - _SEGMENT_LEAST + 1)
    inside = grown[cut - 1, cut - 1]
    across = grown[cut - 1, n - 1] - inside
    beyond = grown[n - 1, n - 1] - inside - 2.0 * across
    left, right = cut.astype(np.float64), (n - cut).astype(np.float64)
    energy = 2.0 * across / (left * right) - inside / (left * (left - 1.0))
    energy -= beyond / (right * (right - 1.0))
    scaled = energy * left * right / n
    best = int(np.argmax(scaled))
    return float(scaled[best]), int(cut[best])


def _moved(before: FloatArray, after: FloatArray) -> float:
    level = abs(float(np.median(before)))
    step = abs(float(np.median(after)) - float(np.median(before)))
    return step / level if level else math.inf
