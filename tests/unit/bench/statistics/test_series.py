"""Series: how much they say, whether they rise, where they broke."""

import math

import numpy as np
import pytest

from headrace.bench import change_points, effective_size, trend
from headrace.bench.statistics.distributions import FloatArray

stats = pytest.importorskip("scipy.stats")


def following(seed: int, size: int, share: float) -> FloatArray:
    """Values each of which keeps `share` of the one before: AR(1)."""
    rng = np.random.default_rng(seed)
    values = np.empty(size)
    values[0] = rng.normal() / math.sqrt(1 - share**2)
    for at in range(1, size):
        values[at] = share * values[at - 1] + rng.normal()
    return values


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_values_that_follow_each_other_are_worth_less(share: float) -> None:
    """An AR(1) of n values is worth n (1 - share) / (1 + share)."""
    told = effective_size(following(1, 20_000, share).tolist())
    assert told == pytest.approx(20_000 * (1 - share) / (1 + share), rel=0.2)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0], [5.0] * 50])
def test_few_and_constant_values_count_as_they_are(values: list[float]) -> None:
    assert effective_size(values) == len(values)


def test_slope_is_scipys_where_values_are_independent() -> None:
    rng = np.random.default_rng(2)
    times = np.arange(200.0)
    values = 3.0 + 0.05 * times + rng.normal(size=200)
    told, theirs = trend(times.tolist(), values.tolist(), 0.01), stats.theilslopes(values, times)
    assert told is not None
    assert told.slope == pytest.approx(theirs.slope)
    assert told.interval.low == pytest.approx(theirs.low_slope, abs=0.002)
    assert told.interval.high == pytest.approx(theirs.high_slope, abs=0.002)
    assert told.direction == "rising"


@pytest.mark.parametrize(
    ("slope", "slope_max", "direction"),
    [
        (1.0, 0.5, "rising"),
        (-1.0, 0.5, "falling"),
        (0.0, 0.5, "steady"),
        (0.5, 0.5, "inconclusive"),
    ],
)
def test_directions(slope: float, slope_max: float, direction: str) -> None:
    times = np.arange(40.0)
    values = slope * times + np.random.default_rng(3).normal(size=40)
    told = trend(times.tolist(), values.tolist(), slope_max)
    assert told is not None
    assert told.direction == direction


def test_values_that_wander_are_rarely_called_a_leak() -> None:
    """With neighbours alike, Sen's own interval would call far more than 5 % of them rising."""
    times = np.arange(100.0).tolist()
    told = [trend(times, following(seed, 100, 0.6).tolist(), 0.0) for seed in range(200)]
    named = sum(each is not None and each.direction != "inconclusive" for each in told)
    plain = 0
    for seed in range(200):
        theirs = stats.theilslopes(following(seed, 100, 0.6), times)
        plain += not theirs.low_slope <= 0 <= theirs.high_slope
    assert named <= 0.17 * 200
    assert named < 0.6 * plain


def test_constant_values_are_steady() -> None:
    told = trend(list(range(20)), [5.0] * 20, 0.1)
    assert told is not None
    assert (told.slope, told.direction) == (0.0, "steady")


def test_too_few_values_say_nothing() -> None:
    assert trend([1.0, 2.0], [1.0, 2.0], 0.1) is None


@pytest.mark.parametrize(
    ("times", "values"),
    [
        ([1.0, 2.0], [1.0]),
        ([2.0, 1.0], [1.0, 1.0]),
        ([1.0, 2.0], [1.0, math.nan]),
        (list(range(2_001)), [0.0] * 2_001),
    ],
)
def test_what_is_no_series_is_refused(times: list[float], values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"series|ascend"):
        trend(times, values, 0.1)


def history(seed: int, *levels: float) -> list[float]:
    rng = np.random.default_rng(seed)
    return [level * math.exp(rng.normal(0, 0.01)) for level in levels for _ in range(20)]


def test_breaks_are_found_where_they_are() -> None:
    found = change_points(history(1, 100, 110, 95), np.random.default_rng(1))
    assert len(found) == 2
    assert abs(found[0] - 20) <= 1
    assert abs(found[1] - 40) <= 1


def test_histories_without_a_break_are_rarely_split() -> None:
    found = [change_points(history(seed, 100, 100), np.random.default_rng(1)) for seed in range(60)]
    assert sum(map(len, found)) <= 5


def test_breaks_too_small_to_matter_are_left_out() -> None:
    values, rng = history(2, 100, 101.5), np.random.default_rng(1)
    assert change_points(values, rng) == ()
    assert len(change_points(values, rng, magnitude_least=0.005)) == 1


@pytest.mark.parametrize("values", [[], [1.0], [3.0] * 40, [0.0] * 40])
def test_nothing_breaks_where_nothing_moves(values: list[float]) -> None:
    assert change_points(values, np.random.default_rng(1)) == ()


def test_histories_have_finite_values_and_an_end() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="finite"):
        change_points([1.0, math.inf], rng)
    with pytest.raises(ValueError, match="at most"):
        change_points([1.0] * 401, rng)
