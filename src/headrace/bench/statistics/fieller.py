"""One mean over another, of pairs whose figures may be 0 or below."""

import math
from collections.abc import Sequence

import numpy as np

from headrace.bench.statistics.distributions import student_quantile


def ratio_of_means(
    over: Sequence[float], under: Sequence[float], level: float
) -> tuple[float, float, float] | None:
    """The ratio of two means, and where it lies (Fieller, J. R. Stat. Soc. B 16, 1954).

    A ratio is within if the mean of `over` less that many times `under` may be 0, by Student's t.

    Args:
        over: one figure of each pair, of which there are two or more.
        under: the other one, in the same order.
        level: of the interval.

    Returns:
        The ratio and both ends of its interval; `None` where the mean below may be 0 or less, for
        then the ratio may be anything.
    """
    pairs = len(over)
    top, bottom = math.fsum(over) / pairs, math.fsum(under) / pairs
    reach = student_quantile(0.5 + level / 2.0, pairs - 1.0) ** 2
    (of_top, of_both), (_, of_bottom) = (reach * np.cov(over, under) / pairs).tolist()
    square = bottom * bottom - of_bottom
    if bottom <= 0.0 or square <= 0.0:
        return None
    middle = top * bottom - of_both
    width = math.sqrt(max(0.0, middle * middle - square * (top * top - of_top)))
    return top / bottom, (middle - width) / square, (middle + width) / square
