"""When a breaker opens, and how it closes; tests/property holds it against a model."""

from math import inf, nan

import pytest

from headrace.flow.breaker import REFUSED, Breaker, BreakerTerms, State
from headrace.flow.outcomes import FAILED, SLOW, LastCalls, LastSeconds

TERMS = BreakerTerms(
    calls_min=4, window_s=10.0, probes=2, probe_s_max=30.0, open_s=5.0, open_s_max=20.0, jitter=0.0
)


def make(terms: BreakerTerms = TERMS, uniform: float = 0.5) -> Breaker:
    return Breaker(terms, uniform=lambda: uniform)


def fail(breaker: Breaker, now_s: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(breaker.try_pass(now_s), 0.1, now_s)


def succeed(breaker: Breaker, now_s: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.succeeded(breaker.try_pass(now_s), 0.1, now_s)


def test_opens_at_the_rate_and_not_before_enough_calls() -> None:
    breaker = make()
    fail(breaker, 0.0, 3)
    assert breaker.state is State.CLOSED
    breaker = make()
    succeed(breaker, 0.0, 4)
    fail(breaker, 0.0, 3)
    assert breaker.state is State.CLOSED
    fail(breaker, 0.0)
    assert breaker.state is State.OPEN
    assert breaker.try_pass(4.9) == REFUSED
    assert breaker.retry_after_s(2.0) == 3.0
    assert (breaker.opened, breaker.refused) == (1, 1)


def test_failures_in_a_row_open_it_however_many_answers_the_window_holds() -> None:
    breaker = make(BreakerTerms(row_max=10))
    succeed(breaker, 0.0, 500)
    fail(breaker, 1.0, 9)
    succeed(breaker, 1.0)
    fail(breaker, 1.0, 9)
    assert breaker.state is State.CLOSED
    fail(breaker, 1.0)
    assert breaker.state is State.OPEN


def test_answer_ends_a_row_also_when_the_window_has_emptied() -> None:
    breaker = make(BreakerTerms(row_max=3, window_s=10.0))
    fail(breaker, 0.0, 2)
    succeed(breaker, 60.0)
    fail(breaker, 60.0, 2)
    assert breaker.state is State.CLOSED


def test_failures_leave_with_their_window() -> None:
    breaker = make()
    fail(breaker, 0.0, 3)
    fail(breaker, 10.0)
    assert breaker.state is State.CLOSED
    assert breaker.outcomes.calls == 1


def test_slow_answers_open_it_too() -> None:
    breaker = make(BreakerTerms(calls_min=4, slow_s=1.0, slow_rate=0.75))
    for duration_s in (1.0, 1.1, 1.1, 1.1):
        assert breaker.state is State.CLOSED
        breaker.succeeded(breaker.try_pass(0.0), duration_s, 0.0)
    assert breaker.state is State.OPEN


def test_probes_close_it_and_no_more_pass_than_agreed() -> None:
    breaker = make()
    fail(breaker, 0.0, 4)
    one, two, three = (breaker.try_pass(5.0) for _ in range(3))
    assert (bool(one), bool(two), bool(three)) == (True, True, False)
    assert breaker.state is State.HALF_OPEN
    breaker.succeeded(one, 0.1, 6.0)
    assert breaker.try_pass(6.0) == REFUSED
    breaker.succeeded(two, 0.1, 6.0)
    assert breaker.state is State.CLOSED
    assert breaker.outcomes.calls == 0


def test_time_open_doubles_up_to_its_bound_and_starts_over_when_well() -> None:
    breaker = make()
    fail(breaker, 0.0, 4)
    now_s, lengths_s = 0.0, []
    for _ in range(4):
        lengths_s.append(breaker.retry_after_s(now_s))
        now_s += lengths_s[-1]
        fail(breaker, now_s)  # one of two probes is half of them
    assert lengths_s == [5.0, 10.0, 20.0, 20.0]
    now_s += 20.0
    succeed(breaker, now_s, 2)
    fail(breaker, now_s + 19.0, 4)
    assert breaker.retry_after_s(now_s + 19.0) == 20.0
    now_s += 39.0
    succeed(breaker, now_s, 2)
    fail(breaker, now_s + 20.0, 4)
    assert breaker.retry_after_s(now_s + 20.0) == 5.0


def test_lot_takes_off_a_part_of_the_time() -> None:
    terms = BreakerTerms(calls_min=1, open_s=10.0, jitter=0.2)
    for uniform, length_s in ((0.0, 10.0), (0.5, 9.0), (1.0, 8.0)):
        breaker = make(terms, uniform)
        fail(breaker, 0.0)
        assert breaker.retry_after_s(0.0) == pytest.approx(length_s)


def test_outcomes_of_an_earlier_term_say_nothing() -> None:
    breaker = make()
    late = [breaker.try_pass(0.0) for _ in range(8)]
    fail(breaker, 0.0, 4)
    succeed(breaker, 5.0, 2)
    assert breaker.state is State.CLOSED
    for ticket in late:
        breaker.failed(ticket, 60.0, 6.0)
        breaker.gave_up(ticket)
    assert breaker.state is State.CLOSED
    assert breaker.outcomes.calls == 0


def test_probe_that_was_given_up_makes_room_for_another() -> None:
    breaker = make()
    fail(breaker, 0.0, 4)
    for _ in range(10):
        ticket = breaker.try_pass(5.0)
        assert ticket
        breaker.gave_up(ticket)
    assert breaker.state is State.HALF_OPEN


def test_probes_never_heard_of_do_not_keep_it_half_open() -> None:
    breaker = make()
    fail(breaker, 0.0, 4)
    assert breaker.try_pass(5.0)
    assert breaker.try_pass(5.0)
    assert not breaker.try_pass(34.9)
    assert breaker.would_pass(35.0)
    assert breaker.try_pass(35.0)


def test_opened_and_closed_by_hand() -> None:
    breaker = make()
    breaker.open(0.0)
    breaker.open(1.0)
    assert breaker.retry_after_s(0.0) == 5.0
    breaker.close(1.0)
    assert breaker.try_pass(1.0)
    assert breaker.opened == 1


def test_window_of_calls_forgets_the_oldest() -> None:
    window = LastCalls(3)
    for outcome in (FAILED | SLOW, FAILED, 0, SLOW):
        window.add(outcome, 0.0)
    assert (window.calls, window.failures, window.slows) == (3, 1, 1)
    window.clear()
    window.add(0, 0.0)
    assert (window.calls, window.failures, window.slows) == (1, 0, 0)


def test_window_of_seconds_forgets_all_after_a_long_pause() -> None:
    window = LastSeconds(10.0)
    window.add(FAILED | SLOW, 0.0)
    window.add(0, 9.9)
    assert (window.calls, window.failures, window.slows) == (2, 1, 1)
    window.add(0, 1e9)
    assert (window.calls, window.failures, window.slows) == (1, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {"failure_rate": 0.0},
        {"failure_rate": nan},
        {"slow_rate": 1.1},
        {"slow_s": 0.0},
        {"calls_min": 0},
        {"row_max": 0},
        {"window_s": -1.0},
        {"window_s": inf},
        {"window_calls": 10, "window_s": 0.0},
        {"probes": 0},
        {"open_s": 0.0},
        {"open_s_max": 1.0},
        {"jitter": 1.5},
    ],
)
def test_terms_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        BreakerTerms(**bad)  # type: ignore[arg-type]


def test_a_clock_that_goes_back_does_not_keep_it_open() -> None:
    breaker = make()
    fail(breaker, 1e6, 4)
    assert breaker.try_pass(1e6) == REFUSED
    assert breaker.try_pass(1e6 - 15.0) == REFUSED  # as far as it may be away
    assert breaker.would_pass(100.0)
    assert breaker.retry_after_s(100.0) == 0.0
    succeed(breaker, 100.0, 2)
    assert breaker.state is State.CLOSED
