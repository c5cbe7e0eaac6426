"""Slopes and where they lie, beside those of scipy."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bench.statistics.slopes import slope, slope_interval

stats = pytest.importorskip("scipy.stats")


@given(st.floats(-50, 50), st.floats(-1e3, 1e3), st.integers(2, 200))
def test_the_slope_of_a_line_is_the_lines(rise: float, start: float, count: int) -> None:
    xs = [float(x) for x in range(count)]
    found = slope(xs, [start + rise * x for x in xs])
    assert found is not None
    assert found.value == pytest.approx(rise, abs=1e-6)


def test_outliers_do_not_move_the_slope() -> None:
    ys = [2.0 * x for x in range(100)]
    ys[10] = 1e6
    ys[77] = -1e6
    found = slope(list(range(100)), ys)
    assert found is not None
    assert found.value == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("xs", [[], [1.0], [1.0, 1.0, 1.0]])
def test_less_than_two_places_have_no_slope(xs: list[float]) -> None:
    assert slope(xs, xs) is None


@pytest.mark.parametrize("digits", [0, 9])
@pytest.mark.parametrize("seed", range(5))
def test_intervals_are_scipys_ties_included(seed: int, digits: int) -> None:
    chance = Random(seed)
    xs = sorted(chance.uniform(0, 50) for _ in range(40))
    ys = [round(0.1 * x + chance.gauss(0, 2), digits) for x in xs]
    found, theirs = slope(xs, ys), stats.theilslopes(ys, xs, alpha=0.95)
    assert found is not None
    assert found.value == pytest.approx(theirs.slope)
    told = slope_interval(found, ys)
    # By a rank more or less, as each of us rounds.
    near = 0.02 * (theirs.high_slope - theirs.low_slope)
    assert told.low == pytest.approx(theirs.low_slope, abs=near)
    assert told.high == pytest.approx(theirs.high_slope, abs=near)


def test_values_that_follow_their_neighbours_say_less() -> None:
    chance = Random(1)
    ys = [chance.gauss(0, 1) for _ in range(50)]
    found = slope(list(range(50)), ys)
    assert found is not None
    narrow, wide = slope_interval(found, ys), slope_interval(found, ys, follow=4.0)
    assert wide.low < narrow.low < found.value < narrow.high < wide.high


def test_constant_values_lie_nowhere_else() -> None:
    found = slope(list(range(20)), [5.0] * 20)
    assert found is not None
    told = slope_interval(found, [5.0] * 20)
    assert (told.low, found.value, told.high) == (0.0, 0.0, 0.0)
