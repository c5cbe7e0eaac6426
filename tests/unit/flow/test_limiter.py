"""The limiter: permits, what they teach, the gate of retry-after, leaks, clocks that jump."""

import pytest

from headrace.clock import ManualClock
from headrace.flow.limit.fixed import FixedLimit
from headrace.flow.limiter import Limiter, Permit


class Heard:
    """A limit that writes down what it is told."""

    def __init__(self, limit: int = 2) -> None:
        self.limit = limit
        self.told: list[tuple[float, int, bool, float]] = []

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        self.told.append((rtt_s, inflight, is_drop, now_s))


class BackwardClock(ManualClock):
    """A clock that can be set back."""

    def set_back(self, seconds: float) -> None:
        self.advance(-seconds)


def take(limiter: Limiter) -> Permit:
    permit = limiter.try_acquire()
    assert permit is not None
    return permit


def test_there_are_as_many_permits_as_the_limit_says() -> None:
    limiter = Limiter(FixedLimit(2), clock=ManualClock())
    first, _ = take(limiter), take(limiter)
    assert limiter.try_acquire() is None
    first.success()
    assert limiter.inflight == 1
    assert limiter.try_acquire() is not None


def test_what_a_success_teaches() -> None:
    clock, heard = ManualClock(), Heard()
    limiter = Limiter(heard, clock=clock)
    take(limiter)
    second = take(limiter)
    clock.advance(3.0)
    second.success(0.25)
    assert heard.told == [(0.25, 2, False, 3.0)]


@pytest.mark.parametrize("signal_s", [None, 0.0, -1.0, float("inf"), float("nan")])
def test_a_signal_that_is_none_is_told_as_not_measured(signal_s: float | None) -> None:
    heard = Heard()
    take(Limiter(heard, clock=ManualClock())).success(signal_s)
    assert heard.told == [(0.0, 1, False, 0.0)]


def test_a_drop_teaches_how_long_the_call_was_under_way() -> None:
    clock, heard = ManualClock(), Heard()
    permit = take(Limiter(heard, clock=clock))
    clock.advance(1.5)
    permit.drop()
    assert heard.told == [(1.5, 1, True, 1.5)]


def test_what_is_ignored_teaches_nothing() -> None:
    heard = Heard()
    limiter = Limiter(heard, clock=ManualClock())
    take(limiter).ignore()
    assert heard.told == []
    assert limiter.inflight == 0


def test_only_the_first_end_of_a_permit_counts() -> None:
    heard = Heard()
    limiter = Limiter(heard, clock=ManualClock())
    take(limiter)
    permit = take(limiter)
    permit.success(0.1)
    permit.drop(5.0)
    permit.ignore()
    permit.success(0.1)
    assert len(heard.told) == 1
    assert limiter.inflight == 1
    assert limiter.stats().closed_s == 0


def test_retry_after_is_a_gate_whatever_the_limit_is() -> None:
    clock = ManualClock()
    limiter = Limiter(FixedLimit(10), clock=clock)
    take(limiter).drop(retry_after_s=5.0)
    assert limiter.stats().closed_s == 5.0
    assert limiter.due_s == 5.0
    clock.advance(4.99)
    assert limiter.try_acquire() is None
    clock.advance(0.02)
    assert limiter.try_acquire() is not None


def test_a_shorter_retry_after_does_not_open_the_gate() -> None:
    clock = ManualClock()
    limiter = Limiter(FixedLimit(10), clock=clock)
    first, second = take(limiter), take(limiter)
    first.drop(5.0)
    second.drop(1.0)
    clock.advance(2.0)
    assert limiter.try_acquire() is None


@pytest.mark.parametrize("asked_s", [-5.0, 0.0, float("nan"), float("-inf"), None])
def test_a_retry_after_that_is_none_closes_nothing(asked_s: float | None) -> None:
    limiter = Limiter(FixedLimit(1), clock=ManualClock())
    take(limiter).drop(asked_s)
    assert limiter.try_acquire() is not None


@pytest.mark.parametrize("asked_s", [1e9, float("inf")])
def test_an_absurd_retry_after_is_believed_up_to_a_bound(asked_s: float) -> None:
    clock = ManualClock()
    limiter = Limiter(FixedLimit(1), clock=clock, retry_after_s_max=60.0)
    take(limiter).drop(asked_s)
    clock.advance(59.0)
    assert limiter.try_acquire() is None
    clock.advance(1.0)
    assert limiter.try_acquire() is not None


def test_a_gate_from_before_the_clock_went_back_holds_nobody() -> None:
    clock = BackwardClock()
    clock.advance(1000.0)
    limiter = Limiter(FixedLimit(1), clock=clock, retry_after_s_max=60.0)
    take(limiter).drop(30.0)
    clock.set_back(500.0)
    assert limiter.try_acquire() is not None


def test_whoever_waits_hears_of_permits_that_come_back() -> None:
    limiter = Limiter(FixedLimit(1), clock=ManualClock())
    heard: list[int] = []
    limiter.on_free = lambda: heard.append(limiter.inflight)
    take(limiter).success()
    take(limiter).ignore()
    take(limiter).drop()
    assert heard == [0, 0, 0]
    take(limiter).drop(retry_after_s=1.0)  # none is to be had: nothing to hear
    assert heard == [0, 0, 0]


def test_who_hears_may_take_the_permit_at_once() -> None:
    limiter = Limiter(FixedLimit(1), clock=ManualClock())
    taken: list[Permit | None] = []
    first = take(limiter)
    limiter.on_free = lambda: taken.append(limiter.try_acquire())
    first.success()
    assert taken[0] is not None
    assert limiter.inflight == 1


def test_a_permit_that_is_never_given_back_is_reclaimed_when_it_is_missed() -> None:
    clock = ManualClock()
    limiter = Limiter(FixedLimit(1), clock=clock, permit_s_max=60.0)
    lost = take(limiter)
    clock.advance(59.0)
    assert limiter.try_acquire() is None
    assert limiter.due_s == 60.0
    clock.advance(1.0)
    found = take(limiter)
    assert limiter.stats().reclaimed == 1
    lost.success()  # it comes back after all, and counts for nothing
    assert limiter.inflight == 1
    found.success()
    assert limiter.inflight == 0


def test_reclaiming_takes_what_is_lost_and_says_so() -> None:
    clock = ManualClock()
    limiter = Limiter(FixedLimit(3), clock=clock, permit_s_max=60.0)
    heard: list[int] = []
    limiter.on_free = lambda: heard.append(limiter.inflight)
    take(limiter), take(limiter)
    clock.advance(30.0)
    take(limiter)
    clock.advance(30.0)
    assert limiter.reclaim() == 2
    assert heard == [1]
    assert limiter.reclaim() == 0


def test_a_clock_that_goes_back_neither_loses_permits_nor_keeps_lost_ones_for_good() -> None:
    clock = BackwardClock()
    clock.advance(1000.0)
    limiter = Limiter(FixedLimit(1), clock=clock, permit_s_max=60.0)
    permit = take(limiter)
    clock.set_back(900.0)
    assert limiter.try_acquire() is None
    clock.advance(60.0)
    assert limiter.reclaim() == 1
    permit.drop()
    assert limiter.inflight == 0


def test_a_drop_on_a_clock_that_went_back_took_no_time() -> None:
    clock, heard = BackwardClock(), Heard()
    clock.advance(10.0)
    permit = take(Limiter(heard, clock=clock))
    clock.set_back(5.0)
    permit.drop()
    assert heard.told == [(0.0, 1, True, 5.0)]


def test_overload_from_elsewhere_is_a_drop_without_a_permit() -> None:
    clock, heard = ManualClock(), Heard()
    limiter = Limiter(heard, clock=clock)
    take(limiter)
    heard.limit = 1
    limiter.overloaded()
    assert heard.told == [(0.0, 1, True, 0.0)]
    assert limiter.limit == 1
    assert limiter.inflight == 1


def test_a_limit_that_shrinks_takes_no_permits_back() -> None:
    heard = Heard(3)
    limiter = Limiter(heard, clock=ManualClock())
    first, second, third = take(limiter), take(limiter), take(limiter)
    heard.limit = 1
    first.drop()
    assert limiter.inflight == 2
    second.ignore()
    assert limiter.try_acquire() is None
    third.ignore()
    assert limiter.try_acquire() is not None


def test_calls_that_are_adopted_take_room_until_they_leave() -> None:
    limiter = Limiter(FixedLimit(3), clock=ManualClock())
    limiter.adopt(2)
    permit = limiter.try_acquire()
    assert permit is not None
    assert limiter.try_acquire() is None
    freed: list[int] = []
    limiter.on_free = lambda: freed.append(limiter.inflight)
    limiter.left()
    assert freed == [2]
    permit.success()
    limiter.left()
    assert limiter.inflight == 0


def test_stats_tell_what_happened() -> None:
    clock = ManualClock()
    limiter = Limiter(FixedLimit(1), clock=clock)
    take(limiter).success()
    take(limiter).ignore()
    take(limiter).drop(2.0)
    assert limiter.try_acquire() is None
    clock.advance(0.5)
    stats = limiter.stats()
    assert (stats.limit, stats.inflight) == (1, 0)
    assert (stats.successes, stats.ignored, stats.drops, stats.refused) == (1, 1, 1, 1)
    assert stats.closed_s == 1.5


@pytest.mark.parametrize("terms", [{"permit_s_max": 0.0}, {"retry_after_s_max": float("nan")}])
def test_terms_that_make_no_sense_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="have to be above 0"):
        Limiter(FixedLimit(1), clock=ManualClock(), **terms)
