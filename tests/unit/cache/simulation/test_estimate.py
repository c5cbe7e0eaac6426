"""Means and their intervals."""

import pytest

from headrace.cache.simulation.estimate import estimate


def test_a_known_interval() -> None:
    # Mean 3, deviation sqrt(2.5), t(4) 2.7764.
    found = estimate([1, 2, 3, 4, 5])
    assert (found.mean, found.samples) == (3.0, 5)
    assert found.margin == pytest.approx(2.7764 * 2.5**0.5 / 5**0.5)
    assert (found.low, found.high) == (3.0 - (found.margin or 0), 3.0 + (found.margin or 0))


def test_one_sample_has_no_interval() -> None:
    found = estimate([4.0])
    assert (found.margin, found.low, found.high) == (None, 4.0, 4.0)


def test_samples_that_agree_have_an_interval_of_nothing() -> None:
    assert estimate([2.0] * 7).margin == 0.0


def test_many_samples_go_over_to_the_normal_without_a_step() -> None:
    # Per unit of stdev / sqrt(n): Student's t at 30 and 31 degrees of freedom, and far beyond.
    def quantile(count: int) -> float:
        samples = [float(number % 2) for number in range(count)]
        mean = sum(samples) / count
        deviation = (sum((x - mean) ** 2 for x in samples) / (count - 1)) ** 0.5
        return (estimate(samples).margin or 0.0) / (deviation / count**0.5)

    assert quantile(31) == pytest.approx(2.0423, abs=1e-4)
    assert quantile(32) == pytest.approx(2.0395, abs=1e-4)
    assert quantile(1001) == pytest.approx(1.9623, abs=1e-4)


def test_no_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        estimate([])
