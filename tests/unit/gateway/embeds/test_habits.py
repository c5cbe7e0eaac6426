"""What is learned of a model: how many inputs may go together without much longer waits."""

import pytest

from headrace.gateway.embeds.habits import ADDED_S_MAX, CEILING_S, ITEMS_MIN, Habit


def learned(item_s: float, call_s: float = 0.1) -> Habit:
    habit = Habit(100)
    for items in (1, 2, 5, 8):
        habit.observe(items, call_s + item_s * items)
    return habit


@pytest.mark.parametrize(
    ("item_s", "waited_s", "size"),
    [
        (0.001, 0.0, 11),  # the first, and ten for the goal's ten milliseconds
        (0.001, 0.004, 7),
        (0.001, 1.0, ITEMS_MIN),
        (0.1, 0.0, ITEMS_MIN),
        (0.0, 0.0, 100),
        (-0.01, 0.0, 100),
    ],
)
def test_a_call_is_as_long_as_the_goal_allows(item_s: float, waited_s: float, size: int) -> None:
    assert ADDED_S_MAX == 0.010
    assert learned(item_s).size(waited_s) in (size - 1, size)  # on either side of a rounding


def test_what_one_takes_is_known() -> None:
    assert learned(0.001).one_s == pytest.approx(0.101)


def test_a_ceiling_holds_for_a_while() -> None:
    habit = Habit(100)
    habit.cap(8, 0.0)
    habit.cap(16, 1.0)
    assert habit.size(0.0) == 8
    habit.refresh(6, 2.0)
    assert habit.size(0.0) == 6
    habit.refresh(100, 1.0 + CEILING_S)
    assert habit.size(0.0) == 100


def test_a_ceiling_of_one_is_one() -> None:
    habit = Habit(100)
    habit.cap(0, 0.0)
    assert habit.size(0.0) == 1
