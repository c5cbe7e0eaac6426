"""How well scores tell hard requests from easy ones, with intervals. Pure.

A loss is what it costs in quality to ask the cheap model in place of the strong one: 1 where only
the strong one is good enough, 0 where it makes no difference, -1 where only the cheap one is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean
from typing import Final

import msgspec

_Z: Final = 1.959964
BINS: Final = 10


class Measured(msgspec.Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Bin(msgspec.Struct, frozen=True):
    """Requests of similar scores.

    Attributes:
        lines: how many.
        told: the mean probability that was told for them.
        true: the share of them for which it came true.
    """

    lines: int
    told: float
    true: float


def auc(scores: Sequence[float], is_hard: Sequence[bool]) -> Measured:
    """The probability that a hard request scores above an easy one; ties count half.

    Its interval is DeLong's (DeLong, DeLong, Clarke-Pearson 1988).

    Raises:
        ValueError: there are not both kinds.
    """
    hard = sorted(score for score, each in zip(scores, is_hard, strict=True) if each)
    easy = sorted(score for score, each in zip(scores, is_hard, strict=True) if not each)
    if not hard or not easy:
        raise ValueError("requests of both kinds are needed: the cheap model good enough, and not")
    above = [_below(easy, score) for score in hard]
    under = [1.0 - _below(hard, score) for score in easy]
    value = fmean(above)
    error = sqrt(_variance(above, value) / len(hard) + _variance(under, value) / len(easy))
    return _measured(value, error)


def apgr(scores: Sequence[float], losses: Sequence[float]) -> Measured:
    """The average performance gap recovered (Ong et al., "RouteLLM", 2024).

    Averaged over all shares of calls that go to the strong model, those with the highest scores
    first: the part of what the strong model is better by. Chance recovers half. Its interval takes
    the order as given.

    Args:
        scores: how hard each request seems.
        losses: what the cheap model costs in quality, each from -1 to 1.

    Raises:
        ValueError: the strong model is not better.
    """
    gap = fmean(losses)
    if gap <= 0:
        raise ValueError("the strong model is not better than the cheap one: there is no gap")
    in_order = sorted(scores)
    count = len(in_order)
    # The part of the shares of strong calls at which a request is among them.
    parts = [
        (bisect_left(in_order, score) + bisect_right(in_order, score)) / (2 * count)
        for score in scores
    ]
    value = fmean(part * loss for part, loss in zip(parts, losses, strict=True)) / gap
    residues = [(part - value) * loss for part, loss in zip(parts, losses, strict=True)]
    return _measured(value, sqrt(_variance(residues, fmean(residues)) / count) / gap)


def reliability(told: Sequence[float], is_hard: Sequence[bool]) -> list[Bin]:
    """Requests in ten bins of equal size by what was told, the lowest first."""
    pairs = sorted(zip(told, is_hard, strict=True))
    edges = [round(at * len(pairs) / BINS) for at in range(BINS + 1)]
    parts = [pairs[low:high] for low, high in pairwise(edges) if high > low]
    return [
        Bin(len(part), fmean(told for told, _ in part), fmean(hard for _, hard in part))
        for part in parts
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """How far what was told is from what came true, in the mean over requests."""
    lines = sum(each.lines for each in bins)
    return sum(each.lines * abs(each.told - each.true) for each in bins) / lines


def _below(ordered: Sequence[float], score: float) -> float:
    return (bisect_left(ordered, score) + bisect_right(ordered, score)) / (2 * len(ordered))


def _variance(samples: Sequence[float], mean: float) -> float:
    if len(samples) < 2:
        return 0.0
    return sum((each - mean) ** 2 for each in samples) / (len(samples) - 1)


def _measured(value: float, error: float) -> Measured:
    return Measured(value, value - _Z * error, value + _Z * error)
