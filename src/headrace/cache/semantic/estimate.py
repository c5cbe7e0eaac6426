"""What a share found in a sample says about the whole. Pure."""

from math import sqrt

import msgspec

_Z_95 = 1.959963984540054


class Share(msgspec.Struct, frozen=True):
    """A share with the interval it lies in.

    Attributes:
        hits: how many of the sample.
        sample: size of the sample.
        low: lower end of the interval, 0 to 1.
        high: upper end.
    """

    hits: int
    sample: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share in the sample; `None` where there is no sample."""
        return self.hits / self.sample if self.sample else None


def wilson(hits: int, sample: int, z: float = _Z_95) -> Share:
    """The share of `hits` in `sample` with Wilson's score interval.

    It keeps its promise for shares near zero and for small samples, where the usual one does not
    (Wilson 1927; Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion", 2001).
    A sample of nothing says nothing: 0 to 1.

    Args:
        z: how many standard deviations; 1.96 for 95 %.
    """
    if sample == 0:
        return Share(0, 0, 0.0, 1.0)
    share = hits / sample
    weight = z * z / sample
    centre = (share + weight / 2) / (1 + weight)
    reach = z * sqrt(share * (1 - share) / sample + weight / (4 * sample)) / (1 + weight)
    low = 0.0 if hits == 0 else max(0.0, centre - reach)
    high = 1.0 if hits == sample else min(1.0, centre + reach)
    return Share(hits, sample, low, high)
