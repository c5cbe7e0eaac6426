"""A tier that fails is left alone, ever longer, and asked again now and then."""

from headrace.cache.breaker import Breaker


def opened(failures: int = 3) -> Breaker:
    breaker = Breaker(failures_max=failures, retry_s_min=1.0, retry_s_max=4.0)
    assert [breaker.failed(0.0) for _ in range(failures)] == [False] * (failures - 1) + [True]
    return breaker


def test_it_opens_after_failures_in_a_row_only():
    breaker = Breaker(failures_max=3)
    for _ in range(10):
        breaker.failed(0.0)
        breaker.failed(0.0)
        assert not breaker.succeeded()
    assert breaker.allows(0.0)
    assert not breaker.is_open


def test_it_can_be_opened_at_once():
    breaker = Breaker(failures_max=3, retry_s_min=1.0)
    assert breaker.open(0.0)
    assert not breaker.open(0.0)
    assert not breaker.allows(0.9)
    assert breaker.allows(1.0)
    assert breaker.succeeded()


def test_one_trial_at_a_time_while_it_is_open():
    breaker = opened()
    assert not breaker.allows(0.9)
    assert breaker.allows(1.0)
    assert not breaker.allows(1.0)


def test_trials_that_fail_come_ever_more_rarely_up_to_a_bound():
    breaker, now_s, waits = opened(), 0.0, []
    for _ in range(5):
        began_s = now_s
        while not breaker.allows(now_s):
            now_s += 0.25
        waits.append(now_s - began_s)
        assert not breaker.failed(now_s)
    assert waits == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_trial_that_succeeds_closes_it():
    breaker = opened()
    assert breaker.allows(1.0)
    assert breaker.succeeded()
    assert breaker.allows(1.0)
    assert not breaker.succeeded()
