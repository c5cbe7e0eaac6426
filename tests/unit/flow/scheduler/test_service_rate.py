"""The rate of turns, as it is told."""

import pytest

from headrace.flow.scheduler.service_rate import ServiceRate


def turns(rate: ServiceRate, count: int, every_s: float, start_s: float) -> float:
    now_s = start_s
    for _ in range(count):
        now_s += every_s
        rate.turn(now_s)
    return now_s


def test_nothing_is_said_of_too_few() -> None:
    rate = ServiceRate()
    rate.began(0.0)
    turns(rate, 2, 1.0, 0.0)
    assert rate.per_s(2.0) is None


@pytest.mark.parametrize("every_s", [0.001, 0.1, 3.0, 60.0])
def test_a_steady_rate_is_told_as_it_is(every_s: float) -> None:
    rate = ServiceRate()
    rate.began(0.0)
    now_s = turns(rate, 200, every_s, 0.0)
    assert rate.per_s(now_s) == pytest.approx(1 / every_s, rel=0.01)


def test_time_in_which_nobody_waits_does_not_count() -> None:
    rate = ServiceRate()
    rate.began(0.0)
    now_s = turns(rate, 50, 0.1, 0.0)
    rate.stopped(now_s)
    assert rate.per_s(now_s + 3600.0) == pytest.approx(10.0, rel=0.01)
    rate.began(now_s + 3600.0)
    assert rate.per_s(now_s + 3600.0) == pytest.approx(10.0, rel=0.01)


def test_a_stall_is_seen_while_it_lasts() -> None:
    rate = ServiceRate()
    rate.began(0.0)
    now_s = turns(rate, 50, 0.1, 0.0)
    told = rate.per_s(now_s + 60.0)
    assert told is not None
    assert told < 1.0


def test_a_new_rate_is_learnt() -> None:
    rate = ServiceRate()
    rate.began(0.0)
    now_s = turns(rate, 500, 0.1, 0.0)
    now_s = turns(rate, 100, 1.0, now_s)
    assert rate.per_s(now_s) == pytest.approx(1.0, rel=0.05)


def test_a_clock_that_jumps_back_does_no_harm() -> None:
    rate = ServiceRate()
    rate.began(100.0)
    now_s = turns(rate, 50, 0.1, 100.0)
    rate.turn(1.0)
    told = rate.per_s(0.5)
    assert told is not None
    assert told > 0.0
    assert turns(rate, 100, 0.1, 1.0) < now_s
    assert rate.per_s(11.0) == pytest.approx(10.0, rel=0.1)
