import pytest

from headrace.clock import ManualClock
from headrace.sim.rate import RateBucket, RateBuckets


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


def test_tokens_are_limited_beside_calls_and_each_says_when_to_come_back():
    clock = ManualClock()
    buckets = RateBuckets(60, 6000, clock)
    first = buckets.take(4000)
    assert first.tokens is not None
    assert (first.remaining, first.tokens.remaining) == (59, 2000)
    refused = buckets.take(4000)
    assert refused.retry_after_s == pytest.approx(20.0)
    assert refused.remaining == 59  # nothing was taken
    clock.advance(20.0)
    assert buckets.take(4000).retry_after_s == 0


def test_a_call_that_is_refused_for_the_calls_takes_no_tokens():
    buckets = RateBuckets(1, 6000, ManualClock())
    buckets.take(1000)
    refused = buckets.take(1000)
    assert refused.tokens is not None
    assert (refused.retry_after_s, refused.tokens.remaining) == (pytest.approx(60.0), 5000)


def test_a_call_above_the_limit_takes_a_whole_minute_of_it():
    clock = ManualClock()
    buckets = RateBuckets(None, 100, clock)
    assert buckets.take(500).retry_after_s == 0
    assert buckets.take(1).retry_after_s > 60
