"""Providers count in different ways: as asked for or as used, early or late."""

import pytest

from headrace.flow.quota.key import KeyQuota, Need, QuotaLimits, Reservation
from headrace.flow.quota.told import Kind, Reading, Told

TOKENS = QuotaLimits(tokens_per_minute=1000, headroom=0)
OUTPUT = QuotaLimits(output_tokens_per_minute=1000, headroom=0)


def left(quota: KeyQuota, now_s: float = 0.0) -> float:
    return quota.left(now_s)[0].left


def taken(quota: KeyQuota, need: Need, now_s: float = 0.0) -> Reservation:
    reservation = quota.reserve(need, now_s)
    assert reservation is not None
    return reservation


def seconds_of(quota: KeyQuota, need: Need, calls: int) -> float:
    """How long it takes until so many calls have gone, each as soon as it may."""
    now_s = 0.0
    for _ in range(calls):
        assert quota.holds(need)
        now_s += quota.wait_s(need, now_s)
        taken(quota, need, now_s)
    return now_s


@pytest.mark.parametrize("per_minute", [0.5, 6, 59])
@pytest.mark.parametrize("headroom", [0.0, 0.5])
def test_one_call_is_always_a_burst_and_the_rate_is_kept(
    per_minute: float, headroom: float
) -> None:
    limits = QuotaLimits(requests_per_minute=per_minute, burst_s=1, headroom=headroom)
    took_s = seconds_of(KeyQuota("k", limits, 0.0), Need.of(0, 0), 11)
    assert took_s == pytest.approx(10 * 60 / per_minute)


@pytest.mark.parametrize("burst_s", [1, 10, 60])
def test_a_call_above_the_burst_goes_and_is_paid_for(burst_s: float) -> None:
    limits = QuotaLimits(tokens_per_minute=60_000, burst_s=burst_s, headroom=0)
    took_s = seconds_of(KeyQuota("k", limits, 0.0), Need.of(40_000, 20_000), 11)
    assert took_s == pytest.approx(10 * 60)
    assert not KeyQuota("k", limits, 0.0).holds(Need.of(60_001, 0))


def test_a_provider_that_counts_what_was_asked_for_gives_no_output_back() -> None:
    quota = KeyQuota("k", TOKENS, 0.0)
    taken(quota, Need.of(300, 400)).settle(200, 50)
    assert left(quota) == 1000 - 200 - 400


def test_output_beyond_what_was_asked_for_counts_all_the_same() -> None:
    quota = KeyQuota("k", TOKENS, 0.0)
    taken(quota, Need.of(300, 100)).settle(300, 150)
    assert left(quota) == 1000 - 450


def test_a_provider_that_refunds_counts_what_was_used() -> None:
    limits = QuotaLimits(tokens_per_minute=1000, headroom=0, is_refunding=True)
    quota = KeyQuota("k", limits, 0.0)
    taken(quota, Need.of(300, 400)).settle(200, 50)
    assert left(quota) == 750


def test_a_refused_call_counts_as_a_request_and_has_no_tokens() -> None:
    limits = QuotaLimits(requests_per_minute=60, tokens_per_minute=1000, headroom=0)
    quota = KeyQuota("k", limits, 0.0)
    call = taken(quota, Need.of(300, 400))
    call.refuse()
    call.settle(300, 400)
    assert [each.left for each in quota.left(0.0)] == [59, 1000]


@pytest.mark.parametrize(("at_s", "expected"), [(0.0, 600), (3.0, 650)])
def test_output_under_way_is_still_to_be_counted(at_s: float, expected: float) -> None:
    quota = KeyQuota("k", OUTPUT, 0.0)
    call = taken(quota, Need.of(0, 400))
    told = Told((Reading(Kind.OUTPUT_TOKENS, 1000, 1000, 0, 0),), None)
    quota.observe(told, at_s, call)
    assert left(quota, at_s) == expected
    call.settle(0, 100)
    assert left(quota, at_s) == min(1000, expected + 300)


def test_headroom_is_never_used_not_even_where_the_provider_says_it_is_there() -> None:
    quota = KeyQuota("k", QuotaLimits(tokens_per_minute=1000, headroom=0.1), 0.0)
    call = taken(quota, Need.of(0, 0))
    assert left(quota) == 900
    quota.observe(Told((Reading(Kind.TOKENS, 1000, 300, 42, 0),), None), 0.0, call)
    assert left(quota) == 200
    assert quota.left(0.0)[0].per_minute == pytest.approx(1000)


def test_headroom_has_bounds() -> None:
    with pytest.raises(ValueError, match="headroom"):
        QuotaLimits(headroom=0.6)
