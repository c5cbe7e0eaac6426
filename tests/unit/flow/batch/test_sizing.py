"""The line through what batches took, and the sizes that follow from it."""

import random

import numpy as np
import pytest

from headrace.flow.batch.sizing import FIT_BATCHES, DurationFit, FixedSize, GoalSize


def observed(size: GoalSize, item_s: float, call_s: float, sizes: list[int]) -> GoalSize:
    for items in sizes:
        size.observe(items, item_s * items + call_s)
    return size


def test_fit_is_the_least_squares_line_of_the_last_batches() -> None:
    chance = random.Random(4)
    fit = DurationFit(0.0, 0.0)
    batches = [(chance.randint(1, 40), chance.uniform(0.1, 0.9)) for _ in range(3 * FIT_BATCHES)]
    for items, duration_s in batches:
        fit.observe(items, duration_s + items * 0.01)
    kept = batches[-FIT_BATCHES:]
    matrix = np.array([(items, 1) for items, _ in kept])
    took = np.array([duration_s + items * 0.01 for items, duration_s in kept])
    item_s, call_s = np.linalg.lstsq(matrix, took, rcond=None)[0]
    assert (fit.item_s, fit.call_s) == pytest.approx((item_s, call_s))


def test_batches_of_one_size_give_the_line_of_the_least_norm() -> None:
    fit = DurationFit(0.0, 0.0)
    fit.observe(3, 2.0)
    fit.observe(3, 4.0)
    expected = np.linalg.lstsq(np.array([(3, 1), (3, 1)]), np.array([2.0, 4.0]), rcond=None)[0]
    assert (fit.item_s, fit.call_s) == pytest.approx(tuple(expected))


def test_what_was_slow_long_ago_is_forgotten() -> None:
    fit = DurationFit(0.0, 0.0)
    fit.observe(1, 1000.0)
    for items in range(1, FIT_BATCHES + 1):
        fit.observe(items, 0.1 * items + 1.0)
    assert (fit.item_s, fit.call_s) == pytest.approx((0.1, 1.0))


@pytest.mark.parametrize(
    ("waited_s", "size"),
    [(0.0, 9), (0.2, 7), (0.5, 4), (0.9, 4), (50.0, 4)],
)
def test_goal_gives_the_largest_size_in_time(waited_s: float, size: int) -> None:
    goal = observed(GoalSize(1.0, 100), 0.1, 0.1, [1, 5, 9])
    assert goal.size(waited_s) == size  # waited + 0.1 n + 0.1 <= 1, half of it always left


def test_goal_begins_as_published() -> None:
    assert GoalSize(1.0, 100).size(0.0) == 14  # (1 - 1/30) / (2/30)


@pytest.mark.parametrize(
    ("item_s", "call_s", "size"),
    [(10.0, 0.1, 1), (0.1, 10.0, 1), (0.001, 0.0, 32), (-0.1, 5.0, 1), (0.0, 0.1, 32)],
)
def test_goal_stays_within_its_bounds(item_s: float, call_s: float, size: int) -> None:
    assert observed(GoalSize(1.0, 32), item_s, call_s, [1, 2, 3]).size(0.0) == size


def test_fixed_size_ignores_what_batches_take_but_tells_it() -> None:
    fixed = FixedSize(7, call_s=0.25)
    assert (fixed.size(99.0), fixed.one_s) == (7, 0.25)
    fixed.observe(1, 2.0)
    fixed.observe(2, 3.0)
    assert (fixed.size(0.0), fixed.one_s) == (7, pytest.approx(2.0))
