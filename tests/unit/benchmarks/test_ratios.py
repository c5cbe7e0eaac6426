import pytest
from benchmarks.ratios import paired_difference, paired_ratio, quantile, spread
from benchmarks.records import Spread


def test_a_spread_is_median_and_range() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(median=2.0, low=1.0, high=3.0, rounds=3)


def test_a_spread_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one round"):
        spread([])


def test_ratios_pair_the_rounds_so_that_drift_cancels_out() -> None:
    # The machine became ten times slower: unpaired medians would say 5.5, not 2.
    assert paired_ratio([2.0, 20.0], [1.0, 10.0]) == Spread(2.0, 2.0, 2.0, 2)


def test_a_ratio_needs_a_positive_baseline() -> None:
    with pytest.raises(ValueError, match="positive baseline"):
        paired_ratio([1.0, 1.0], [1.0, 0.0])


def test_rounds_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])


def test_differences_are_taken_round_by_round() -> None:
    assert paired_difference([5.0, 9.0], [1.0, 8.0]) == Spread(2.5, 1.0, 4.0, 2)


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(100, 0.99, 99), (100, 0.5, 50), (101, 0.5, 51), (1, 0.999, 1), (10, 0.0, 1), (10, 1.0, 10)],
)
def test_a_quantile_is_one_of_the_values(count: int, share: float, expected: int) -> None:
    assert quantile([float(value) for value in range(count, 0, -1)], share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.5), ([1.0], -0.1)])
def test_a_quantile_of_nothing_or_beyond_the_ends_is_refused(
    values: list[float], share: float
) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(values, share)
