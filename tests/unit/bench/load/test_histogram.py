"""Classes of durations: nothing is lost, and a quantile is within a class of the truth."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bench.load.histogram import Histogram

SECONDS = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200)


@given(SECONDS, st.floats(0.01, 1))
def test_a_quantile_is_within_a_class_of_the_exact_one(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert histogram.quantile(share) == pytest.approx(exact, rel=0.021)


@given(SECONDS, SECONDS)
def test_merging_loses_nothing(first: list[float], second: list[float]) -> None:
    parts = (Histogram(), Histogram())
    whole = Histogram()
    for histogram, values in zip(parts, (first, second), strict=True):
        for value in values:
            histogram.add(value)
            whole.add(value)
    merged = Histogram().merge(parts)
    assert merged.counts == whole.counts
    assert merged.total == len(first) + len(second)


def test_an_empty_one_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None


def test_what_is_too_small_counts_as_the_least() -> None:
    histogram = Histogram()
    for value in (0.0, -1.0, 1e-12):
        histogram.add(value)
    assert histogram.total == 3
    assert histogram.quantile(1.0) == pytest.approx(1e-7, rel=0.02)
