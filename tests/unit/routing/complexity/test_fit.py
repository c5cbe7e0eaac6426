"""Weights that are learnt are those that made the labels."""

from math import exp
from random import Random

import pytest

from headrace.routing.complexity.features import Features
from headrace.routing.complexity.fit import fit
from headrace.routing.complexity.weights import Scorer


def world(count: int, seed: int) -> tuple[list[Features], list[bool]]:
    """Requests whose difficulty is -1 + 3 length - 2 easy_words, and nothing else."""
    random = Random(seed)
    features = [
        Features(length=random.random(), easy_words=random.random(), code=random.random())
        for _ in range(count)
    ]
    hard = [
        random.random() < 1 / (1 + exp(1 - 3 * each.length + 2 * each.easy_words))
        for each in features
    ]
    return features, hard


def test_what_made_the_labels_is_found() -> None:
    weights = fit(*world(20_000, 1))
    assert weights.bias == pytest.approx(-1.0, abs=0.15)
    assert weights.weights["length"] == pytest.approx(3.0, abs=0.2)
    assert weights.weights["easy_words"] == pytest.approx(-2.0, abs=0.2)
    assert weights.weights["code"] == pytest.approx(0.0, abs=0.15)
    assert weights.weights["tools"] == 0.0


def test_the_slope_is_zero_where_it_ends() -> None:
    """Without a ridge the mean of what is told is the mean of what is true."""
    features, hard = world(2_000, 2)
    scorer = Scorer(fit(features, hard, ridge=0.0))
    told = [1 / (1 + exp(-scorer.logit(each))) for each in features]
    assert sum(told) == pytest.approx(sum(hard), rel=1e-3)


def test_a_feature_that_tells_all_has_a_weight_that_ends() -> None:
    features = [Features(length=float(at >= 50)) for at in range(100)]
    weights = fit(features, [at >= 50 for at in range(100)])
    assert 1.0 < weights.weights["length"] < 20.0


@pytest.mark.parametrize("hard", [[True] * 9, [False] * 9, []])
def test_one_kind_teaches_nothing(hard: list[bool]) -> None:
    with pytest.raises(ValueError, match="both kinds"):
        fit([Features()] * len(hard), hard)


def test_every_request_has_a_label() -> None:
    with pytest.raises(ValueError, match="2 requests have 1 labels"):
        fit([Features(), Features()], [True])
