"""Pure figures: quantiles, spreads over rounds, paired ratios and differences."""

import math
from collections.abc import Sequence
from statistics import median

from benchmarks.records import Spread


def spread(values: Sequence[float]) -> Spread:
    """Median and range of one figure per round.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("a spread needs at least one round")
    return Spread(median(values), min(values), max(values), len(values))


def paired_ratio(values: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Spread of the per-round ratios: drift between rounds cancels out.

    Raises:
        ValueError: the rounds do not pair up, or a baseline is not positive.
    """
    if any(base <= 0 for base in baseline):
        raise ValueError("a ratio needs a positive baseline")
    return spread([value / base for value, base in zip(values, baseline, strict=True)])


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Spread of the per-round differences to the baseline of the same round."""
    return spread([value - base for value, base in zip(values, baseline, strict=True)])


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed.

    Raises:
        ValueError: there is no value, or `share` is outside 0..1.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError("a quantile needs values and a share between 0 and 1")
    ordered = sorted(values)
    # Rounded first: 0.99 x 100 is a hair above 99 in floats.
    rank = max(1, math.ceil(round(share * len(ordered), 9)))
    return ordered[rank - 1]
