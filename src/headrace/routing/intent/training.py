"""Training of the linear model: regularised least squares, solved exactly, one text after another.

Each intent has a weight for each bucket, such that its own texts score 1 and others 0, squares of
what is missing and of the weights being as small as they can be together (Rifkin, Yeo and Poggio,
"Regularized Least-Squares Classification", 2003). It is solved by going from text to text and
setting its share in the weights to what is best while the others stay (coordinate ascent in the
dual, Hsieh and others, 2008), which needs no rate and ends where nothing changes any more. Texts
that are unknown are to score 0 everywhere.

Beside logistic regression by stochastic gradients it told more intents apart, and more of what is
unknown: scores of what shares no words with any text stay at 0 instead of going to the extremes.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from headrace.routing.intent.features import BUCKETS, pieces, read_features
from headrace.routing.intent.weights import UNKNOWN, Scores, Weights, weighed


class Example(msgspec.Struct, frozen=True):
    """A text and what it wants; `unknown` is for one that wants none of it."""

    text: str
    intent: str


class TrainRules(msgspec.Struct, frozen=True):
    """How to train.

    Attributes:
        ridge: how much small weights count; less follows the texts more closely.
        passes_max: how often each text is come to at most.
        change_min: it ends when a pass changed less than this share of the first, in squares.
        seed: of the order, and of the parts that are tested on.
    """

    ridge: float = 0.3
    passes_max: int = 12
    change_min: float = 1e-3
    seed: int = 1


_Rows = Sequence[tuple[NDArray[np.intp], Scores]]


def train(examples: Sequence[Example], rules: TrainRules) -> Weights:
    """Weights for the intents of `examples`, not calibrated yet.

    Args:
        examples: at least one of each of at least two intents.
        rules: how.
    """
    names = tuple(sorted({each.intent for each in examples} - {UNKNOWN}))
    texts = ["\n".join(pieces(each.text)) for each in examples]
    rarity = _rarity(texts)
    rows = [weighed(text, rarity) for text in texts]
    # The mean is 0, so that nothing has to be learnt but what tells intents apart.
    wanted = np.full((len(examples), len(names)), -1.0 / len(names), np.float32)
    for at, each in enumerate(examples):
        if each.intent != UNKNOWN:
            wanted[at, names.index(each.intent)] += 1.0
    return Weights(names, rarity, _solve(rows, wanted, rules))


def _rarity(texts: Sequence[str]) -> Scores:
    """Logarithm of how few texts have a bucket, smoothed (inverse document frequency)."""
    found = np.zeros(BUCKETS, np.float32)
    for text in texts:
        found[read_features(text)[0]] += 1
    rarity: Scores = np.log((1.0 + len(texts)) / (1.0 + found)).astype(np.float32) + 1.0
    return rarity


def _solve(rows: _Rows, wanted: Scores, rules: TrainRules) -> Scores:
    """The weights, by bucket and intent."""
    chance = np.random.default_rng(rules.seed)
    matrix = np.zeros((BUCKETS, wanted.shape[1]), np.float32)
    shares = np.zeros(wanted.shape, np.float32)
    first = 0.0
    for _ in range(rules.passes_max):
        changed = 0.0
        for at in chance.permutation(len(rows)):
            buckets, values = rows[at]
            before = matrix[buckets]
            missing = wanted[at] - values @ before - rules.ridge * shares[at]
            step = missing / (float(values @ values) + rules.ridge)
            shares[at] += step
            matrix[buckets] = before + values[:, None] * step
            changed += float(step @ step)
        first = first or changed
        if changed <= rules.change_min * first:
            break
    return matrix
