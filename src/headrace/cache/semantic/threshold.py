"""How similar two questions have to be, learned from whether answers turned out the same. Pure.

`max_error` bounds the share of answers given by meaning that are wrong. Two things keep it:

- The **bound of all entries** (`Bound`). For each similarity on a grid it tests, on all labels from
  there up, whether more than `max_error` of them are wrong. The tests are e-values, so that looking
  after every label costs nothing: by Ville's inequality the chance that a threshold is ever called
  safe though it is not stays below `doubt`, over the whole grid (Ramdas et al., "Game-theoretic
  statistics and safe anytime-valid inference", 2023).
- The **threshold of one entry** (`entry_threshold`), after vCache (Schroeder et al., arXiv
  2502.03771, 2025): an answer is the same with a probability that is logistic in the similarity,
  shifted by an offset of the entry's own, since some questions have many neighbours and others
  none. An entry whose labels speak against it is answered from only higher up, or not at all. It
  never lowers the common threshold: what an entry's few labels would add to the hits is next to
  nothing, and it would not be covered by the bound.

Where vCache bounds wrong answers among all questions asked, this bounds them among the answers
given by meaning, which is stricter: a cache that gives few answers, most of them wrong, passes the
former.

What this rests on: labels are a random sample of the candidates, drawn before anybody knows whether
they are right; what was true of the last `WINDOW` labels is true of what comes (the bound holds for
a window; over many, it is renewed); whatever compares answers for the labels is right itself. Until
labels have spoken, the static threshold rules, and promises nothing.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import exp, inf, log
from typing import Final

import msgspec

SIMILARITY_STATIC: Final = 0.92
SIMILARITY_FLOOR: Final = 0.8
ERROR_MAX: Final = 0.2
WINDOW: Final = 4096
ENTRY_LABELS_MAX: Final = 32

_NEVER: Final = inf
_EARLY_TRIALS: Final = 50
_GRID_STEP: Final = 0.02
# The e-values bet on the error being this share of `max_error`, and this multiple of it.
_BET_SAFE: Final = 0.2
_BET_UNSAFE: Final = 4.0

# Offsets of entries: normal around none with this deviation, in similarity, and in these steps.
_OFFSET_DEVIATION: Final = 0.05
_OFFSETS: Final = tuple(step / 100 for step in range(-20, 21))
_PRIORS: Final = tuple(-0.5 * (offset / _OFFSET_DEVIATION) ** 2 for offset in _OFFSETS)
# What the curve of all entries may be.
_MIDDLES: Final = tuple((70 + step) / 100 for step in range(29))
_SLOPES: Final = (15.0, 20.0, 27.0, 36.0, 50.0, 65.0, 85.0, 110.0)
_BINS: Final = 100


class Label(msgspec.Struct, frozen=True, gc=False):
    """How similar two questions were, and whether they turned out to have the same answer."""

    similarity: float
    same: bool


class Curve(msgspec.Struct, frozen=True):
    """The probability that answers are the same, logistic in the similarity.

    Attributes:
        middle: similarity at which it is one half.
        slope: how steep it is there.
    """

    middle: float = 0.8
    slope: float = 50.0

    def reaches(self, probability: float) -> float:
        """The similarity from which the probability is at least this."""
        return self.middle + log(probability / (1 - probability)) / self.slope


class Bound:
    """The lowest similarity at which answers of all entries together are right often enough.

    Args:
        max_error: largest share of wrong answers, above 0 and at most 0.2.
        static: the threshold until labels have spoken.
        floor: no threshold goes below.
        doubt: chance of calling a threshold safe that is not.
        trusts_static: whether the static threshold is used before labels have confirmed it.

    Attributes:
        threshold: similarity from which answers are given; infinite where none may be.
        is_certified: whether labels have confirmed it.
    """

    def __init__(
        self,
        *,
        max_error: float,
        static: float = SIMILARITY_STATIC,
        floor: float = SIMILARITY_FLOOR,
        doubt: float = 0.05,
        trusts_static: bool = True,
    ) -> None:
        if not 0 < max_error <= ERROR_MAX:
            raise ValueError(f"max_error is {max_error:g}: it has to be above 0 and at most 0.2")
        steps = round((1.0 - floor) / _GRID_STEP)
        grid = {round(floor + step * _GRID_STEP, 6) for step in range(steps)}
        self._grid = tuple(sorted(grid | {static}))
        self._static = static
        self._trusts_static = trusts_static
        self._right = [0] * len(self._grid)
        self._wrong = [0] * len(self._grid)
        self._labels: deque[Label] = deque()
        self._evidence_min = log(len(self._grid) / doubt)
        self._safe = _bet(max_error, max_error * _BET_SAFE)
        self._unsafe = _bet(max_error, max_error * _BET_UNSAFE)
        self.threshold = static if trusts_static else _NEVER
        self.is_certified = False

    @property
    def labels(self) -> Sequence[Label]:
        """The labels that count at the moment, the oldest first."""
        return self._labels

    def add(self, label: Label) -> None:
        """Count a label, and move the threshold where it has to move."""
        self._labels.append(label)
        self._count(label, 1)
        if len(self._labels) > WINDOW:
            self._count(self._labels.popleft(), -1)
        self.threshold, self.is_certified = self._settled()

    def _count(self, label: Label, times: int) -> None:
        counts = self._right if label.same else self._wrong
        for at, similarity in enumerate(self._grid):
            if label.similarity < similarity:
                break
            counts[at] += times

    def _settled(self) -> tuple[float, bool]:
        for at, similarity in enumerate(self._grid):
            if self._evidence(at, self._safe) >= self._evidence_min:
                return similarity, True
        if not self._trusts_static:
            return _NEVER, False
        for at, similarity in enumerate(self._grid):
            is_refuted = self._evidence(at, self._unsafe) >= self._evidence_min
            if similarity >= self._static and not is_refuted:
                return similarity, False
        return _NEVER, False

    def _evidence(self, at: int, bet: tuple[float, float]) -> float:
        """What the labels from a similarity on say for a bet, as the logarithm of an e-value."""
        return self._right[at] * bet[0] + self._wrong[at] * bet[1]


def entry_threshold(labels: Sequence[Label], curve: Curve, max_error: float) -> float:
    """The similarity below which an entry's own labels speak against it; 0 where none was wrong.

    Its offset has a normal prior; with the labels it becomes a posterior on a grid, of which the
    median counts: where the chance of a wrong answer is `max_error`, the threshold is.
    """
    if all(label.same for label in labels):
        return 0.0
    return curve.reaches(1 - max_error) + _median(_posterior(labels, curve))


def explores(dice: Callable[[], float], share: float, trials: int) -> bool:
    """Whether a candidate is to be labelled rather than answered from.

    At first nearly all are, so that a threshold that does not fit is found out before it has done
    harm, and then ever fewer, down to `share`. The choice must not depend on anything else.

    Args:
        dice: gives a number from 0 to 1.
        share: share of the candidates that are labelled in the long run.
        trials: how many were chosen before.
    """
    return dice() < max(share, 1 / (1 + trials / _EARLY_TRIALS))


def fit_curve(labels: Sequence[Label]) -> Curve:
    """The most likely curve of all entries, weighed down towards the default by a mild prior."""
    right, wrong = [0] * (_BINS + 1), [0] * (_BINS + 1)
    for label in labels:
        counts = right if label.same else wrong
        counts[round(min(1.0, max(0.0, label.similarity)) * _BINS)] += 1
    seen = [(at / _BINS, r, w) for at, (r, w) in enumerate(zip(right, wrong, strict=True)) if r + w]
    default = Curve()
    best, best_score = default, -_NEVER
    for middle in _MIDDLES:
        for slope in _SLOPES:
            score = -0.5 * ((middle - default.middle) / 0.05) ** 2
            score -= 0.5 * (log(slope / default.slope) / 0.5) ** 2
            for similarity, rights, wrongs in seen:
                odds = slope * (similarity - middle)
                score += rights * _log_chance(odds) + wrongs * _log_chance(-odds)
            if score > best_score:
                best, best_score = Curve(middle, slope), score
    return best


def _posterior(labels: Sequence[Label], curve: Curve) -> list[float]:
    logs = []
    for offset, prior in zip(_OFFSETS, _PRIORS, strict=True):
        score = prior
        for label in labels:
            odds = curve.slope * (label.similarity - curve.middle - offset)
            score += _log_chance(odds if label.same else -odds)
        logs.append(score)
    most = max(logs)
    weights = [exp(score - most) for score in logs]
    total = sum(weights)
    return [weight / total for weight in weights]


def _median(weights: Sequence[float]) -> float:
    passed = 0.0
    for offset, weight in zip(_OFFSETS, weights, strict=True):
        passed += weight
        if passed >= 0.5:
            return offset
    return _OFFSETS[-1]


def _log_chance(odds: float) -> float:
    """The logarithm of the logistic function, without overflow."""
    return -log(1 + exp(-odds)) if odds > -30 else odds


def _bet(error: float, other: float) -> tuple[float, float]:
    """What one right and one wrong label say for the error being `other`, and not `error`."""
    return log((1 - other) / (1 - error)), log(other / error)
