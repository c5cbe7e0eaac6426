"""Wilson's interval: known values, and what it says of nothing."""

import pytest

from headrace.cache.semantic.estimate import wilson


@pytest.mark.parametrize(
    ("hits", "sample", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1, 100, 0.0018, 0.0545),
    ],
)
def test_known_intervals(hits: int, sample: int, low: float, high: float) -> None:
    share = wilson(hits, sample)
    assert share.value == hits / sample
    assert (share.low, share.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_no_sample_says_nothing() -> None:
    share = wilson(0, 0)
    assert (share.value, share.low, share.high) == (None, 0.0, 1.0)
