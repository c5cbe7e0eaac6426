"""Weights from labelled requests: a logistic model by Newton's method. Pure.

With a small ridge (a normal prior on the weights, not on the bias), so that a feature that never
differs, or one that tells all, has a weight all the same. Sums go column by column through C loops:
20,000 requests take about a second, without numpy.
"""

from collections.abc import Sequence
from math import exp
from operator import mul
from typing import Final

from headrace.routing.complexity.features import NAMES, Features
from headrace.routing.complexity.weights import LOGIT_MAX, Weights, values

RIDGE: Final = 2.0
_ROUNDS_MAX: Final = 25
_STEP_MIN: Final = 1e-6
_STEP_MAX: Final = 5.0

_Column = list[float]


def fit(features: Sequence[Features], is_hard: Sequence[bool], ridge: float = RIDGE) -> Weights:
    """The weights under which what was seen is most likely.

    Args:
        features: of each request.
        is_hard: whether the cheap model was not good enough.
        ridge: how many requests' worth of doubt there is that a weight differs from 0.

    Raises:
        ValueError: there are not both kinds, or not as many labels as requests.
    """
    if len(features) != len(is_hard):
        raise ValueError(f"{len(features)} requests have {len(is_hard)} labels")
    if all(is_hard) or not any(is_hard):
        raise ValueError("requests of both kinds are needed: the cheap model good enough, and not")
    columns = [[1.0] * len(features), *map(list, zip(*map(values, features), strict=True))]
    truth = [float(each) for each in is_hard]
    weights = [0.0] * len(columns)
    for _ in range(_ROUNDS_MAX):
        step = _solve(*_newton(columns, truth, weights, ridge))
        weights = [weight + each for weight, each in zip(weights, step, strict=True)]
        if max(map(abs, step)) < _STEP_MIN:
            break
    bias, *rest = (round(weight, 4) for weight in weights)
    return Weights(bias, dict(zip(NAMES, rest, strict=True)))


def _newton(
    columns: list[_Column], truth: _Column, weights: _Column, ridge: float
) -> tuple[list[_Column], _Column]:
    """The curvature and the slope where `weights` are."""
    told = [_told(row, weights) for row in zip(*columns, strict=True)]
    misses = [true - each for true, each in zip(truth, told, strict=True)]
    spread = [each * (1.0 - each) for each in told]
    slope = [sum(map(mul, column, misses)) for column in columns]
    curve = [[0.0] * len(columns) for _ in columns]
    for at, column in enumerate(columns):
        spreads = list(map(mul, column, spread))
        for other in range(at + 1):
            curve[at][other] = curve[other][at] = sum(map(mul, spreads, columns[other]))
        pull = ridge if at else 0.0
        curve[at][at] += pull + 1e-9
        slope[at] -= pull * weights[at]
    return curve, slope


def _told(row: tuple[float, ...], weights: _Column) -> float:
    logit = max(-LOGIT_MAX, min(LOGIT_MAX, sum(map(mul, row, weights))))
    return 1.0 / (1.0 + exp(-logit))


def _solve(matrix: list[_Column], right: _Column) -> _Column:
    """Solve a symmetric positive definite system by Cholesky, and bound the step."""
    size = len(right)
    lower = [[0.0] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            left = sum(map(mul, lower[row][:column], lower[column][:column]))
            rest = matrix[row][column] - left
            lower[row][column] = rest**0.5 if row == column else rest / lower[column][column]
    half = [0.0] * size
    for row in range(size):
        half[row] = (right[row] - sum(map(mul, lower[row][:row], half))) / lower[row][row]
    step = [0.0] * size
    for row in reversed(range(size)):
        below = sum(lower[each][row] * step[each] for each in range(row + 1, size))
        step[row] = (half[row] - below) / lower[row][row]
    return [max(-_STEP_MAX, min(_STEP_MAX, each)) for each in step]
