"""Distributions, against scipy."""

import numpy as np
import pytest

from headrace.bench.statistics.distributions import (
    beta_cdf,
    beta_cdf_steps,
    binomial_cdf,
    student_cdf,
    student_quantile,
)

special = pytest.importorskip("scipy.special")
stats = pytest.importorskip("scipy.stats")

SHAPES = [(0.5, 0.5), (2.0, 3.0), (50.0, 0.5), (1000.0, 0.5), (3.0, 200.0), (5e4, 5e4)]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_beta_is_scipys(a: float, b: float) -> None:
    for share in (0.001, 0.025, 0.2, 0.5, 0.9, 0.999):
        x = float(special.betaincinv(a, b, share))
        assert beta_cdf(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-8)


def test_beta_ends_at_0_and_1() -> None:
    assert [beta_cdf(x, 2.0, 3.0) for x in (-1.0, 0.0, 1.0, 2.0)] == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("count", [1, 2, 10, 5_000])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_steps_of_beta_are_scipys(count: int, share: float) -> None:
    a, b = (count + 1) * share, (count + 1) * (1 - share)
    expected = special.betainc(a, b, np.arange(count + 1) / count)
    assert beta_cdf_steps(count, a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("freedom", [1.0, 1.5, 2.0, 9.0, 30.0, 1e4])
def test_students_t_is_scipys(freedom: float) -> None:
    for share in (0.001, 0.2, 0.5, 0.6, 0.975, 0.9999):
        t = float(stats.t.ppf(share, freedom))
        assert student_quantile(share, freedom) == pytest.approx(t, rel=1e-6, abs=1e-12)
        assert student_cdf(t, freedom) == pytest.approx(share, rel=1e-8)


def test_students_t_ends_at_0_and_1() -> None:
    assert student_cdf(float("-inf"), 3.0) == 0.0
    assert student_cdf(float("inf"), 3.0) == 1.0


def test_binomial_is_scipys() -> None:
    for k in (-1, 0, 3, 9, 10, 11):
        assert binomial_cdf(k, 10, 0.3) == pytest.approx(stats.binom.cdf(k, 10, 0.3))
