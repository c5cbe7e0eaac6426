"""How long something usually takes."""

import math

import pytest

from headrace.flow.usual import UsualTime


def test_most_take_the_mean_and_two_deviations() -> None:
    usual = UsualTime()
    usual.took(0.8)
    assert usual.most_s == pytest.approx(0.8 + 2 * 0.4)
    usual.took(1.6)  # mean 0.8 + 0.8 / 8, deviation 0.4 + (0.8 - 0.4) / 4
    assert usual.most_s == pytest.approx(0.9 + 2 * 0.5)


def test_what_always_takes_the_same_takes_that() -> None:
    usual = UsualTime()
    for _ in range(100):
        usual.took(0.5)
    assert usual.most_s == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_what_is_no_duration_teaches_nothing(seconds: float) -> None:
    usual = UsualTime()
    usual.took(seconds)
    assert usual.most_s == 0.0


def test_what_it_takes_is_left_before_the_deadline() -> None:
    usual = UsualTime()
    assert usual.begin_by_s(10.0, 2.0) == 10.0  # nothing is known yet
    for _ in range(100):
        usual.took(1.0)
    assert usual.begin_by_s(10.0, 2.0) == pytest.approx(9.0, abs=0.001)


def test_half_of_what_is_left_may_be_waited_for_all_the_same() -> None:
    usual = UsualTime()
    for _ in range(100):
        usual.took(60.0)
    assert usual.begin_by_s(10.0, 2.0) == 6.0
    assert usual.begin_by_s(10.0, 11.0) == 10.0
