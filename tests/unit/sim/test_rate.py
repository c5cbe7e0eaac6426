import pytest

from headrace.clock import ManualClock
from headrace.sim.rate import RateBucket


def test_a_full_bucket_lets_a_minute_in_at_once_and_then_tells_when_to_come_back():
    clock = ManualClock()
    bucket = RateBucket(60, clock)
    taken = [bucket.take() for _ in range(60)]
    assert [quota.remaining for quota in taken] == list(range(59, -1, -1))
    assert not any(quota.retry_after_s for quota in taken)
    refused = bucket.take()
    assert refused.retry_after_s == pytest.approx(1.0)
    assert refused.reset_s == pytest.approx(60.0)


def test_coming_back_after_the_time_told_is_let_in():
    clock = ManualClock()
    bucket = RateBucket(7, clock)
    for _ in range(7):
        bucket.take()
    for _ in range(20):
        refused = bucket.take()
        assert refused.retry_after_s > 0
        clock.advance(refused.retry_after_s)
        assert bucket.take().retry_after_s == 0


def test_a_quiet_hour_saves_no_more_than_a_minute():
    clock = ManualClock()
    bucket = RateBucket(3, clock)
    clock.advance(3600)
    let_in = sum(bucket.take().retry_after_s == 0 for _ in range(10))
    assert let_in == 3
