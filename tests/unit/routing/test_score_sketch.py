"""Quantiles of scores, in a fixed number of bytes."""

from random import Random

import pytest

from headrace.routing.complexity.weights import probability
from headrace.routing.score_sketch import ScoreSketch


def filled(scores: list[float], half_life_s: float = 3600.0, memory: int = 100_000) -> ScoreSketch:
    sketch = ScoreSketch(half_life_s, memory)
    for score in scores:
        sketch.add(score, 0.0)
    return sketch


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_quantiles_are_right_to_within_a_bucket(share: float) -> None:
    random = Random(1)
    scores = sorted(random.gauss(-1.0, 1.5) for _ in range(10_000))
    assert filled(scores).quantile(share) == pytest.approx(scores[int(share * 10_000)], abs=1 / 16)


def test_the_ends_are_all_and_none() -> None:
    sketch = filled([-1.0, 0.0, 1.0])
    assert sketch.quantile(0.0) <= -1.0
    assert sketch.quantile(1.0) >= 1.0
    assert -12.0 <= ScoreSketch(60.0).quantile(0.5) <= 12.0


def test_scores_beyond_the_bounds_count_as_the_bounds() -> None:
    sketch = filled([-1e9, 1e9])
    assert sketch.quantile(0.25) < -11.9
    assert sketch.quantile(0.75) > 11.9


def test_losses_below_the_threshold_are_those_that_are_allowed() -> None:
    random = Random(2)
    scores = [random.gauss(-1.0, 1.5) for _ in range(20_000)]
    at = filled(scores).where_loss_is(0.1)
    losses = sum(probability(score) for score in scores if score < at)
    assert losses / len(scores) == pytest.approx(0.1, abs=0.003)
    assert filled(scores).where_loss_is(1.0) == 12.0
    assert filled(scores).where_loss_is(0.0) < -5.0


def test_scores_fade_with_time() -> None:
    sketch = filled([2.0] * 100, half_life_s=10.0)
    sketch.fade(10.0)
    assert sketch.weight == pytest.approx(50.0)
    for _ in range(100):
        sketch.add(-2.0, 10.0)
    assert sketch.quantile(0.6) < -1.9
    sketch.fade(10_000.0)
    sketch.fade(20_000.0)
    assert sketch.weight == 0.0


def test_time_that_goes_back_changes_nothing() -> None:
    sketch = filled([1.0] * 10)
    sketch.fade(-100.0)
    assert sketch.weight == 10.0


def test_many_scores_fade_by_number() -> None:
    sketch = filled([3.0] * 1000 + [-3.0] * 1000, memory=500)
    assert sketch.weight < 500
    assert sketch.quantile(0.5) < 0.0
