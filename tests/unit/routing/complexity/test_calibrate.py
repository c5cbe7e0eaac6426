"""Calibration says how good it is on what it has not seen, and when there is too little."""

from random import Random

import pytest

from headrace.routing.complexity.calibrate import Labelled, TooFew, calibrate
from headrace.routing.complexity.features import Features
from headrace.routing.complexity.weights import probability


def labelled(count: int, slope: float, seed: int = 1) -> list[Labelled]:
    random = Random(seed)
    lines = []
    for _ in range(count):
        features = Features(length=random.random(), code=random.random())
        is_hard = random.random() < probability(slope * (features.length - 0.5) - 0.5)
        lines.append(Labelled(features, not is_hard))
    return lines


def test_what_can_be_told_is_told() -> None:
    found = calibrate(labelled(2_000, 4.0))
    assert found.is_useful
    assert found.auc.low < found.auc.value < found.auc.high
    assert found.auc.value > 0.7
    assert found.apgr.value == pytest.approx(found.length_alone.value, abs=0.02)
    assert found.calibration_error < 0.05
    assert found.weights.seen is not None
    assert found.weights.seen.lines == found.lines == 2_000


def test_chance_is_not_sold_as_knowledge() -> None:
    found = calibrate(labelled(1_000, 0.0))
    assert not found.is_useful
    assert found.auc.low < 0.5 + 0.02
    assert found.apgr.value == pytest.approx(0.5, abs=0.06)


def test_too_little_is_refused_with_what_is_missing() -> None:
    with pytest.raises(TooFew, match="20 labelled requests are too few: at least 50"):
        calibrate(labelled(20, 1.0))
    one_kind = [Labelled(Features(), is_good=True)] * 100
    with pytest.raises(TooFew, match="was not in 0 of 100"):
        calibrate(one_kind)
    with pytest.raises(TooFew, match="was good enough in 0 of 100"):
        calibrate([Labelled(Features(), is_good=False)] * 100)


def test_a_strong_model_that_is_no_better_is_said_to_be_of_no_use() -> None:
    lines = [
        Labelled(each.features, each.is_good, strong_is_good=False) for each in labelled(200, 1.0)
    ]
    with pytest.raises(TooFew, match="not better"):
        calibrate(lines)
