"""Quantiles, against scipy, and how often their intervals hold."""

import math

import numpy as np
import pytest

from headrace.bench import Question, quantile, quantile_interval, shift_function

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("size", [1, 2, 7, 300])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_quantile_is_scipys(size: int, share: float) -> None:
    values = np.random.default_rng(size).exponential(size=size)
    expected = values[0] if size == 1 else stats.mstats.hdquantiles(values, [share])[0]
    assert quantile(values.tolist(), share) == pytest.approx(float(expected), rel=1e-7)


@pytest.mark.parametrize(("share", "least"), [(0.99, 368), (0.999, 3_688), (0.01, 368), (0.5, 6)])
def test_too_few_values_have_no_interval(share: float, least: int) -> None:
    values = np.arange(float(least)).tolist()
    assert quantile_interval(values[1:], share) is None
    assert quantile_interval(values, share) is not None


@pytest.mark.parametrize(("share", "size"), [(0.5, 11), (0.5, 100), (0.9, 200), (0.99, 1_000)])
def test_interval_is_scipys(share: float, size: int) -> None:
    values = np.random.default_rng(1).normal(size=size)
    told = quantile_interval(values.tolist(), share)
    theirs = stats.quantile_test(values, p=share).confidence_interval(0.95)
    assert told is not None
    assert (told.low, told.high) == (theirs.low, theirs.high)


def test_intervals_cover_at_least_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for values in rng.uniform(size=(400, 400)):
        told = quantile_interval(values.tolist(), 0.99)
        held += told is not None and told.low <= 0.99 <= told.high
    assert held >= stats.binom.ppf(0.0001, 400, 0.95)


def test_values_worth_less_have_wider_intervals_or_none() -> None:
    values = np.random.default_rng(3).normal(size=2_000).tolist()
    wide, narrow = (quantile_interval(values, 0.9, independent=n) for n in (100.5, 2_000))
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low < narrow.high < wide.high
    assert quantile_interval(values, 0.99, independent=100) is None


@pytest.mark.parametrize(
    ("values", "share"), [([], 0.5), ([1.0, math.nan], 0.5), ([1.0], 0.0), ([1.0], 99.0)]
)
def test_what_has_no_quantile_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(values, share)


def test_worth_is_bounded_by_what_is_there() -> None:
    with pytest.raises(ValueError, match="independent"):
        quantile_interval([1.0, 2.0], 0.5, independent=3.0)


def runs(seed: int, tail: float) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [
        [float(x) if x < 1.3 else float(x) * tail for x in np.exp(rng.normal(0, 0.2, size=400))]
        for _ in range(10)
    ]


def test_a_tail_that_grew_is_seen_where_it_is() -> None:
    question = Question(metric="ms", margin=0.05)
    told = shift_function(
        runs(1, 1.0), runs(2, 1.5), question, np.random.default_rng(1), (0.5, 0.95)
    )
    assert [(each.share, each.comparison.verdict) for each in told] == [
        (0.5, "equivalent"),
        (0.95, "worse"),
    ]
    assert told[1].comparison.question.metric == "ms at 0.95"


def test_runs_without_values_and_with_bad_ones_make_no_verdict() -> None:
    question, rng = Question(metric="ms"), np.random.default_rng(1)
    good = runs(1, 1.0)
    for bad, cause in (([], "failed_runs"), ([1.0, math.nan], "not_finite")):
        told = shift_function(good, [*good[1:], bad], question, rng, (0.5,))
        assert (told[0].comparison.verdict, told[0].comparison.cause) == ("insufficient", cause)
