"""How many checks a minute may cost."""

from headrace.clock import ManualClock
from headrace.gateway.stock.lifetimes import CheckAllowance


def test_checks_are_bounded_however_many_hits_there_are() -> None:
    clock = ManualClock()
    allowance = CheckAllowance(60, clock)
    taken = 0
    for _ in range(10_000):  # a hundred seconds of a hundred hits
        clock.advance(0.01)
        taken += allowance.take()
    assert 99 <= taken <= 101


def test_what_was_not_taken_is_not_saved_up() -> None:
    clock = ManualClock()
    allowance = CheckAllowance(600, clock)
    clock.advance(3600.0)
    assert sum(allowance.take() for _ in range(1000)) == 10


def test_few_checks_come_one_by_one() -> None:
    clock = ManualClock()
    allowance = CheckAllowance(1, clock)
    assert [allowance.take(), allowance.take()] == [True, False]
    clock.advance(60.0)
    assert allowance.take()
