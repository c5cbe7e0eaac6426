"""The slope of values over time that outliers do not move, and where it lies. Without numpy."""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist, median
from typing import Final

import msgspec

from headrace.bench.statistics.figures import LEVEL, Interval

_NORMAL: Final = NormalDist()


class Slope(msgspec.Struct, frozen=True):
    """How values change.

    Attributes:
        each: slopes between all pairs of points, ascending.
        value: their median (Theil 1950).
    """

    each: list[float]
    value: float


def slope(xs: Sequence[float], ys: Sequence[float]) -> Slope | None:
    """How values change, in units of y for one of x.

    Args:
        xs: where the values are.
        ys: the values.

    Returns:
        `None` for less than two places.
    """
    points = list(zip(xs, ys, strict=True))
    each = sorted(
        (later_y - y) / (later_x - x)
        for number, (x, y) in enumerate(points)
        for later_x, later_y in points[number + 1 :]
        if later_x != x
    )
    return Slope(each, median(each)) if each else None


def slope_interval(
    found: Slope, ys: Sequence[float], level: float = LEVEL, follow: float = 1.0
) -> Interval:
    """Where the slope lies (Sen 1968), by the ranks that Kendall's tau leaves open.

    Args:
        found: the slope.
        ys: the values that it is of.
        level: of the interval.
        follow: how many of the values say as much as one that is independent of its neighbours
            (Hamed and Rao 1998).
    """
    size, pairs = len(ys), len(found.each)
    tied = sum(n * (n - 1) * (2 * n + 5) for n in Counter(ys).values())
    variance = (size * (size - 1) * (2 * size + 5) - tied) / 18
    reach = _NORMAL.inv_cdf(0.5 + level / 2) * math.sqrt(variance * follow)
    low = max(0, round((pairs - reach) / 2) - 1)
    high = min(pairs - 1, round((pairs + reach) / 2))
    return Interval(found.each[low], found.each[high], level)
