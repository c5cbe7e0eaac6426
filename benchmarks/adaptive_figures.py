"""Pure figures of the adaptive case: means over seeds, paired ratios, equal staleness."""

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from benchmarks.adaptive_records import Mean, Ratio
from headrace.cache.simulation.estimate import estimate


class Figures(msgspec.Struct, frozen=True):
    """One run of one engine."""

    p50_s: float
    mean_s: float
    usd: float
    stale_share: float
    hit_share: float
    behind_share: float


class Point(msgspec.Struct, frozen=True):
    """A fixed lifetime and what it came to."""

    ttl_s: float
    figures: Figures


def mean_of(values: Sequence[float], factor: float = 1.0) -> Mean:
    """Mean and interval of one figure per seed, multiplied by `factor`."""
    found = estimate([value * factor for value in values])
    return Mean(found.mean, found.low, found.high, found.samples)


def ratio_of(values: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Geometric mean and interval of ratios of the same seed.

    Raises:
        ValueError: the seeds do not pair up.
    """
    logs = [math.log(value / base) for value, base in zip(values, baseline, strict=True)]
    found = estimate(logs)
    return Ratio(math.exp(found.mean), math.exp(found.low), math.exp(found.high), found.samples)


def at_staleness(frontier: Sequence[Point], stale_share: float) -> Point:
    """The fixed lifetime with this staleness, in a straight line between measured ones.

    Beyond either end, the end.

    Args:
        frontier: measured lifetimes of one seed, the shortest first.
        stale_share: of hits.
    """
    if stale_share <= frontier[0].figures.stale_share:
        return frontier[0]
    for before, after in pairwise(frontier):
        low, high = before.figures.stale_share, after.figures.stale_share
        if low <= stale_share < high:
            return _between(before, after, (stale_share - low) / (high - low))
    return frontier[-1]


def _between(before: Point, after: Point, part: float) -> Point:
    one, other = msgspec.structs.astuple(before.figures), msgspec.structs.astuple(after.figures)
    figures = Figures(*(a + part * (b - a) for a, b in zip(one, other, strict=True)))
    return Point(before.ttl_s + part * (after.ttl_s - before.ttl_s), figures)
