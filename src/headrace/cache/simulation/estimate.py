"""Means with their intervals."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Final

import msgspec

# Quantiles at 97.5 % of Student's t for 1 to 30 degrees of freedom.
_T: Final = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)


class Estimate(msgspec.Struct, frozen=True):
    """A mean over samples, and where the true one is with 95 % confidence.

    Attributes:
        mean: of the samples.
        margin: the interval goes from `mean - margin` to `mean + margin`; `None` for one sample.
        samples: how many there are.
    """

    mean: float
    margin: float | None
    samples: int

    @property
    def low(self) -> float:
        """The lower end of the interval; the mean where there is none."""
        return self.mean - (self.margin or 0.0)

    @property
    def high(self) -> float:
        """The upper end of the interval; the mean where there is none."""
        return self.mean + (self.margin or 0.0)


def estimate(samples: Sequence[float]) -> Estimate:
    """The mean of independent samples and its interval by Student's t.

    Raises:
        ValueError: there are none.
    """
    count = len(samples)
    if not count:
        raise ValueError("an estimate needs at least one sample")
    mean = fmean(samples)
    if count == 1:
        return Estimate(mean, None, 1)
    return Estimate(mean, _t_quantile(count - 1) * stdev(samples) / sqrt(count), count)


def _t_quantile(freedom: int) -> float:
    if freedom <= len(_T):
        return _T[freedom - 1]
    # Abramowitz and Stegun 26.7.5, exact to four digits here.
    return 1.959964 + 2.372271 / freedom + 2.822500 / freedom**2
