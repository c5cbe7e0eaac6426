"""Time that never goes back."""

from headrace.flow.steady import STEP_BACK_S_MAX, SteadyTime


def test_it_goes_with_the_clock() -> None:
    time = SteadyTime()
    assert [time.at(now_s) for now_s in (5.0, 5.0, 7.5)] == [5.0, 5.0, 7.5]


def test_it_stands_still_while_the_clock_catches_up_after_a_small_step_back() -> None:
    time = SteadyTime()
    time.at(10.0)
    back_s = 10.0 - STEP_BACK_S_MAX / 2
    assert time.at(back_s) == 10.0
    assert time.at(10.0) == 10.0
    assert time.at(10.25) == 10.25


def test_it_goes_on_at_once_after_a_long_step_back() -> None:
    time = SteadyTime()
    time.at(10_000.0)
    assert time.at(3.0) == 10_000.0
    assert time.at(4.5) == 10_001.5
