"""Many questions at once, against R's `p.adjust` and scipy."""

import numpy as np
import pytest

from headrace.bench.statistics.multiple import benjamini_hochberg, holm

stats = pytest.importorskip("scipy.stats")

P = (0.01, 0.04, 0.03, 0.02, 0.6)


def test_holm_is_rs() -> None:
    """p.adjust(c(.01, .04, .03, .02, .6), "holm")."""
    assert holm(P) == pytest.approx((0.05, 0.09, 0.09, 0.08, 0.6))


def test_benjamini_hochberg_is_scipys() -> None:
    assert benjamini_hochberg(P) == pytest.approx(tuple(stats.false_discovery_control(P)))


def test_one_and_none() -> None:
    assert holm(()) == benjamini_hochberg(()) == ()
    assert holm((0.3,)) == benjamini_hochberg((0.3,)) == (0.3,)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm((0.1, p))


def test_families_without_difference_are_rarely_named() -> None:
    p = np.random.default_rng(1).uniform(size=(2_000, 10))
    named = sum(min(holm(family)) <= 0.05 for family in p)
    low, high = stats.binom.interval(0.9999, 2_000, 0.05)
    assert low <= named <= high
