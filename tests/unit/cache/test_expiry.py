"""Buckets of time: never early, late by a share only, and few."""

import math

import pytest

from headrace.cache.expiry import Expiry, bucket_width_s


@pytest.mark.parametrize("ttl_s", [0.001, 0.5, 1.0, 60.0, 3600.0, 86_400.0, 1e12, 1e300])
def test_keys_are_due_late_by_a_share_of_their_time_and_never_early(ttl_s: float) -> None:
    expiry: Expiry[str] = Expiry()
    expiry.add("a", ttl_s, bucket_width_s(ttl_s))
    assert expiry.take(math.nextafter(ttl_s, 0), 9) == []
    assert expiry.due_s <= ttl_s + max(ttl_s / 32, 1 / 1024)
    assert expiry.take(expiry.due_s, 9) == ["a"]


def test_no_more_are_told_than_asked_for() -> None:
    expiry: Expiry[int] = Expiry()
    buckets = {key: expiry.add(key, 10, 1) for key in range(10)}
    taken = [expiry.take(100, 4) for _ in range(3)]
    assert [len(some) for some in taken] == [4, 4, 2]
    assert sorted(key for some in taken for key in some) == list(range(10))
    assert not any(buckets.values())
    assert (expiry.take(100, 4), expiry.due_s) == ([], math.inf)


def test_what_was_deleted_is_not_taken() -> None:
    expiry: Expiry[int] = Expiry()
    buckets = {key: expiry.add(key, 10, 1) for key in range(10)}
    for key in (0, 3, 9):
        del buckets[key][key]
    assert sorted(expiry.take(100, 99)) == [1, 2, 4, 5, 6, 7, 8]


def test_the_first_due_are_told_first() -> None:
    expiry: Expiry[int] = Expiry()
    for key in (3, 1, 2):
        expiry.add(key, float(key), 0.25)
    assert expiry.take(2.0, 9) == [1]
    assert expiry.take(0.5, 9) == []


def test_what_never_expires_is_never_due() -> None:
    expiry: Expiry[str] = Expiry()
    bucket = expiry.add("a", math.inf, bucket_width_s(math.inf))
    assert (expiry.due_s, expiry.take(1e300, 9), list(bucket)) == (math.inf, [], ["a"])


def test_buckets_stay_few_however_often_keys_come_and_go() -> None:
    expiry: Expiry[int] = Expiry()
    for step in range(20_000):
        ttl_s = 1.0 + step * 7 % 1000
        bucket = expiry.add(step, ttl_s, bucket_width_s(ttl_s))
        del bucket[step]
    assert len(expiry._buckets) <= 65 * 11
    assert len(expiry._order) == len(expiry._buckets)


def test_what_comes_for_a_bucket_that_is_gone_is_taken_all_the_same() -> None:
    expiry: Expiry[str] = Expiry()
    expiry.add("first", 10.2, 1.0)
    assert expiry.take(11.0, 10) == ["first"]
    late = expiry.add("late", 10.4, 1.0)
    assert "late" in late
    assert expiry.due_s == 11.0
    assert expiry.take(11.0, 10) == ["late"]


def test_keys_of_like_times_and_other_widths_have_buckets_of_their_own() -> None:
    expiry: Expiry[str] = Expiry()
    fine = expiry.add("fine", 10.2, 0.5)
    assert expiry.add("coarse", 10.2, 8.0) is not fine
    assert expiry.add("fine too", 10.4, 0.5) is fine
    assert expiry.add("fine and later", 10.6, 0.5) is not fine
    assert expiry.add("fine and earlier", 9.9, 0.5) is not fine
