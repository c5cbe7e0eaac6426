"""Figures of routers against what can be counted by hand."""

from itertools import pairwise
from random import Random

import pytest

from headrace.routing.complexity.measures import apgr, auc, calibration_error, reliability


def by_pairs(scores: list[float], hard: list[bool]) -> float:
    wins = [
        (a > b) + 0.5 * (a == b)
        for a, is_a in zip(scores, hard, strict=True)
        if is_a
        for b, is_b in zip(scores, hard, strict=True)
        if not is_b
    ]
    return sum(wins) / len(wins)


def test_auc_is_the_share_of_pairs_in_order() -> None:
    random = Random(1)
    scores = [round(random.random(), 1) for _ in range(200)]
    hard = [random.random() < score for score in scores]
    assert auc(scores, hard).value == pytest.approx(by_pairs(scores, hard))


def test_apgr_is_the_mean_of_what_is_recovered_over_all_shares() -> None:
    scores, losses = [0.9, 0.8, 0.3, 0.1], [1.0, 0.0, 1.0, 0.0]
    # Shares of strong calls 0, 1/4 ... 1 recover 0, 1/2, 1/2, 1, 1 of the gap; the area between.
    recovered = [0, 0.5, 0.5, 1, 1]
    area = sum((a + b) / 2 for a, b in pairwise(recovered)) / 4
    assert apgr(scores, losses).value == pytest.approx(area)


def test_a_score_that_knows_nothing_recovers_half() -> None:
    assert apgr([0.5] * 10, [1.0, 0.0] * 5).value == pytest.approx(0.5)
    assert auc([0.5] * 10, [True, False] * 5).value == pytest.approx(0.5)


def test_where_only_the_cheap_model_is_right_counts_against_the_strong_one() -> None:
    assert apgr([0.9, 0.8, 0.1], [1.0, 1.0, -1.0]).value > 1.0


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = Random(3)
    held_auc = held_apgr = 0
    for _ in range(200):
        hard = [random.random() < 0.4 for _ in range(150)]
        scores = [random.gauss(float(each), 1.0) for each in hard]
        found = auc(scores, hard)
        held_auc += found.low <= 0.7602 <= found.high  # the normal distribution at 1 / sqrt(2)
        found = apgr(scores, [float(each) for each in hard])
        held_apgr += found.low <= 0.2 + 0.6 * 0.7602 <= found.high
    assert held_auc >= 180
    assert held_apgr >= 180


def test_what_has_one_kind_only_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        auc([0.1, 0.2], [True, True])
    with pytest.raises(ValueError, match="no gap"):
        apgr([0.1, 0.2], [0.0, -1.0])


def test_reliability_tells_what_came_true() -> None:
    told = [at / 100 for at in range(100)]
    bins = reliability(told, [each >= 0.5 for each in told])
    assert [each.lines for each in bins] == [10] * 10
    assert [each.true for each in bins] == [0.0] * 5 + [1.0] * 5
    assert bins[0].told == pytest.approx(0.045)
    assert calibration_error(bins) == pytest.approx(0.25, abs=0.01)


def test_fewer_requests_than_bins_are_binned() -> None:
    bins = reliability([0.2, 0.9], [False, True])
    assert sum(each.lines for each in bins) == 2
