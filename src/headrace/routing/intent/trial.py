"""How good a model is on texts that it has not learnt from, and what that makes of its scores."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from headrace.routing.intent.training import Example, TrainRules, train
from headrace.routing.intent.weights import UNKNOWN, Calibration, Scores, Weights

FOLDS: Final = 5
_TEMPERATURES: Final = tuple(0.01 * 1.25**step for step in range(24))
_STEPS: Final = 50
_KEPT: Final = 0.95
_FEW: Final = 2

Truth = NDArray[np.intp]


class IntentFigures(msgspec.Struct, frozen=True):
    """One intent: texts of it, texts taken for it, and texts of it taken for it."""

    texts: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """Share of what was taken for it that is."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of it that was found."""
        return self.right / self.texts if self.texts else 0.0


class Figures(msgspec.Struct, frozen=True):
    """How texts were told.

    Attributes:
        texts: of an intent.
        accuracy: share of these whose intent has the highest score.
        kept: share of these that were not taken for unknown.
        unknown_texts: of none.
        unknown_found: share of these that were taken for unknown.
        auroc: how likely one of an intent is more familiar than one of none; `None` without any.
        intents: by name; `unknown` included, and what was taken for it.
        mistaken: how often one intent was taken for another, the most frequent first.
    """

    texts: int
    accuracy: float
    kept: float
    unknown_texts: int
    unknown_found: float
    auroc: float | None
    intents: dict[str, IntentFigures]
    mistaken: tuple[tuple[str, str, int], ...]


class Trained(msgspec.Struct, frozen=True, eq=False):
    """Weights of all texts, and how such weights do on texts that they have not learnt from."""

    weights: Weights
    figures: Figures


def fit(examples: Sequence[Example], rules: TrainRules) -> Trained:
    """Train, calibrate and try.

    Five models are trained on four fifths of the texts each, and tried on the rest: what they make
    of these calibrates the one that is trained on all of them.

    Args:
        examples: of at least two intents; those of intents with a single text are not tried.
        rules: how.
    """
    parts = _parts(examples, rules.seed)
    weights = train(examples, rules)
    scores = _cross_scores(examples, parts, weights.names, rules)[parts >= 0]
    truth = truth_of([examples[at] for at in np.flatnonzero(parts >= 0).tolist()], weights.names)
    weights = msgspec.structs.replace(weights, calibration=calibrated(scores, truth))
    return Trained(weights, figures(weights, scores, truth))


def examined(weights: Weights, examples: Sequence[Example]) -> Figures:
    """How weights do on other texts; intents that they do not know count as unknown."""
    scores = np.array([weights.scores(each.text) for each in examples], np.float32)
    return figures(weights, scores, truth_of(examples, weights.names))


def _cross_scores(
    examples: Sequence[Example],
    parts: NDArray[np.intp],
    names: Sequence[str],
    rules: TrainRules,
) -> Scores:
    scores = np.zeros((len(examples), len(names)), np.float32)
    for part in range(FOLDS):
        learnt = [each for each, own in zip(examples, parts, strict=True) if own != part]
        weights = train(learnt, rules)
        columns = [names.index(name) for name in weights.names]
        for at in np.flatnonzero(parts == part).tolist():
            scores[at, columns] = weights.scores(examples[at].text)
    return scores


def truth_of(examples: Sequence[Example], names: Sequence[str]) -> Truth:
    """The column of each text's intent, -1 where it is of none of `names`."""
    columns = {name: at for at, name in enumerate(names)}
    return np.array([columns.get(each.intent, -1) for each in examples], np.intp)


def calibrated(scores: Scores, truth: Truth) -> Calibration:
    """What makes probabilities of these scores.

    The temperature is the one under which the right intents were most likely; the probability that
    a text is of an intent is a logistic of its familiarity, and its threshold the one that gets
    most of both kinds right. Without unknown texts it keeps 95 % of those that are known.
    """
    known = truth >= 0
    temperature = min(_TEMPERATURES, key=lambda each: _surprise(scores[known], truth[known], each))
    plain = Calibration(temperature)
    familiarity = plain.familiarity(scores)
    if known.all():
        low = float(np.quantile(familiarity, 1.0 - _KEPT))
        slope = 1.0 / max(float(familiarity.std()), 1e-3)
        return Calibration(temperature, slope, -slope * low)
    slope, offset = _logistic(familiarity, known)
    fitted = Calibration(temperature, slope, offset)
    likely = fitted.known(familiarity)
    return msgspec.structs.replace(fitted, threshold=_threshold(likely[known], likely[~known]))


def figures(weights: Weights, scores: Scores, truth: Truth) -> Figures:
    """How texts of these scores were told by the calibration of the weights."""
    known, calibration = truth >= 0, weights.calibration
    familiarity = calibration.familiarity(scores)
    best = scores.argmax(axis=1)
    told = np.where(calibration.known(familiarity) >= calibration.threshold, best, -1)
    names = (*weights.names, UNKNOWN)  # the last is -1
    pairs: dict[tuple[str, str], int] = {}
    for right, taken in zip(truth, told, strict=True):
        pair = names[right], names[taken]
        pairs[pair] = pairs.get(pair, 0) + 1
    wrong = sorted((-number, *pair) for pair, number in pairs.items() if pair[0] != pair[1])
    return Figures(
        texts=int(known.sum()),
        accuracy=_share(best[known] == truth[known]),
        kept=_share(told[known] >= 0),
        unknown_texts=int((~known).sum()),
        unknown_found=_share(told[~known] < 0),
        auroc=auroc(familiarity[known], familiarity[~known])
        if 0 < known.sum() < len(known)
        else None,
        intents={name: _figures_of(name, pairs) for name in names},
        mistaken=tuple((right, taken, -number) for number, right, taken in wrong),
    )


def auroc(higher: Scores, lower: Scores) -> float:
    """How likely one of the first is above one of the second; equals count half (Mann-Whitney)."""
    order = np.sort(lower)
    below = np.searchsorted(order, higher, "left") + np.searchsorted(order, higher, "right")
    return float(below.mean() / (2 * len(lower)))


def _auroc_of(familiarity: Scores, known: NDArray[np.bool_]) -> float | None:
    if known.all() or not known.any():
        return None
    return auroc(familiarity[known], familiarity[~known])


def _parts(examples: Sequence[Example], seed: int) -> NDArray[np.intp]:
    """A part for each text, every intent spread evenly; an intent of one text is in none."""
    chance = np.random.default_rng(seed)
    parts = np.full(len(examples), -1, np.intp)
    for name in sorted({each.intent for each in examples}):
        own = np.array([at for at, each in enumerate(examples) if each.intent == name])
        if len(own) >= _FEW:
            parts[chance.permutation(own)] = np.arange(len(own)) % FOLDS
    return parts


def _surprise(scores: Scores, truth: Truth, temperature: float) -> float:
    shares = Calibration(temperature).shares(scores)[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(shares, 1e-12)).mean())


def _logistic(familiarity: Scores, known: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset, by Newton's method, both kinds of texts weighing the same."""
    x, y = familiarity.astype(np.float64), known.astype(np.float64)
    mean, spread = x.mean(), max(float(x.std()), 1e-6)
    design = np.stack(((x - mean) / spread, np.ones(len(x))), axis=1)
    weight = np.where(known, 0.5 / known.sum(), 0.5 / (~known).sum())
    best = np.zeros(2)
    for _ in range(_STEPS):
        likely = 1.0 / (1.0 + np.exp(-np.clip(design @ best, -30.0, 30.0)))
        # A little of both is given up for small numbers: what parts cleanly has no best slope.
        gradient = design.T @ (weight * (likely - y)) + 1e-3 * best
        bend = design.T @ (design * (weight * likely * (1.0 - likely))[:, None]) + 1e-3 * np.eye(2)
        best -= np.linalg.solve(bend, gradient)
    return float(best[0] / spread), float(best[1] - best[0] * mean / spread)


def _threshold(known: Scores, unknown: Scores) -> float:
    """Half-way between those where most of both are on their own side (Youden, 1950)."""
    places = np.unique(np.concatenate((known, unknown)))
    right_known = 1.0 - np.searchsorted(np.sort(known), places, "left") / len(known)
    right_unknown = np.searchsorted(np.sort(unknown), places, "left") / len(unknown)
    best = int(np.argmax(right_known + right_unknown))
    return float(places[best] + places[max(0, best - 1)]) / 2.0


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else 0.0


def _figures_of(name: str, pairs: dict[tuple[str, str], int]) -> IntentFigures:
    return IntentFigures(
        texts=sum(number for (right, _), number in pairs.items() if right == name),
        found=sum(number for (_, taken), number in pairs.items() if taken == name),
        right=pairs.get((name, name), 0),
    )
