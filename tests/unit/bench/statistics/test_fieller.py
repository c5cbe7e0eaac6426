"""Ratios of means, where single pairs have none."""

import numpy as np
import pytest

from headrace.bench.statistics.fieller import ratio_of_means


@pytest.mark.parametrize("pairs", [4, 5, 12])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(pairs: int) -> None:
    """Differences that move together, some of them below 0; their means are 5 and 1."""
    rng, held, told = np.random.default_rng(3), 0, 0
    for _ in range(1000):
        both = rng.normal(0, 0.2, pairs)
        over, under = rng.normal(5, 3, pairs) + both, rng.normal(1, 0.1, pairs) + both
        found = ratio_of_means(list(over), list(under), 0.95)
        if found is not None:
            told += 1
            held += found[1] <= 5.0 <= found[2]
    assert told > 950
    assert 0.92 < held / told < 0.98


def test_figures_that_never_vary_have_a_ratio_and_no_width() -> None:
    found = ratio_of_means([6.0] * 4, [2.0] * 4, 0.95)
    assert found == pytest.approx((3.0, 3.0, 3.0))


@pytest.mark.parametrize("under", [[1.0, -2.0, 3.0, 0.5], [0.0] * 4, [-1.0, -1.1, -0.9, -1.0]])
def test_there_is_no_ratio_to_what_may_be_nothing_or_less(under: list[float]) -> None:
    assert ratio_of_means([5.0, 6.0, 5.5, 5.2], under, 0.95) is None
