"""The quota of a key: reservations, settlements, true headers and headers that lie."""

from math import inf

import pytest

from headrace.flow.quota.key import REFUSED_S, KeyQuota, Left, Need, QuotaLimits, Reservation
from headrace.flow.quota.told import NOTHING, Kind, Reading, Told, read_told

ONE = Need.of(0, 0)
OPEN = QuotaLimits(headroom=0)
SIXTY = QuotaLimits(requests_per_minute=60, headroom=0)


def whole(**limits: float) -> QuotaLimits:
    """Limits without headroom, which makes round numbers."""
    return QuotaLimits(**{"headroom": 0, **limits})


def make(limits: QuotaLimits = SIXTY, now_s: float = 0.0) -> KeyQuota:
    return KeyQuota("first", limits, now_s)


def taken(quota: KeyQuota, need: Need, now_s: float) -> Reservation:
    reservation = quota.reserve(need, now_s)
    assert reservation is not None
    return reservation


def left(quota: KeyQuota, now_s: float, kind: Kind = Kind.REQUESTS) -> float:
    return {each.kind: each.left for each in quota.left(now_s)}[kind]


def said(
    limit: float | None,
    remaining: float | None,
    reset_s: float | None = None,
    kind: Kind = Kind.REQUESTS,
    grain: float = 0.0,
    retry_after_s: float | None = None,
) -> Told:
    return Told((Reading(kind, limit, remaining, reset_s, grain),), retry_after_s)


def test_a_minute_of_calls_goes_at_once_and_then_one_a_second() -> None:
    quota = make()
    for _ in range(60):
        taken(quota, ONE, 0.0)
    assert quota.reserve(ONE, 0.0) is None
    assert quota.wait_s(ONE, 0.0) == pytest.approx(1.0)
    assert quota.reserve(ONE, 0.99) is None
    assert quota.reserve(ONE, 1.0) is not None
    assert quota.reserve(ONE, 1.0) is None


def test_each_limit_counts_its_own_and_the_tightest_decides() -> None:
    quota = make(
        whole(
            requests_per_minute=600,
            tokens_per_minute=6000,
            input_tokens_per_minute=6000,
            output_tokens_per_minute=600,
        )
    )
    taken(quota, Need.of(1000, 500), 0.0)
    assert quota.left(0.0) == [
        Left(Kind.REQUESTS, 600, 599),
        Left(Kind.TOKENS, 6000, 4500),
        Left(Kind.INPUT_TOKENS, 6000, 5000),
        Left(Kind.OUTPUT_TOKENS, 600, 100),
    ]
    assert quota.wait_s(Need.of(0, 101), 0.0) == pytest.approx(0.1)
    assert quota.room(Need.of(0, 100), 0.0) == 0
    assert quota.room(Need.of(0, 101), 0.0) == -1


def test_what_was_not_used_comes_back_and_what_was_used_beyond_is_taken() -> None:
    quota = make(whole(input_tokens_per_minute=1000, output_tokens_per_minute=1000))
    first = taken(quota, Need.of(300, 400), 0.0)
    second = taken(quota, Need.of(100, 100), 0.0)
    assert quota.pending == 2
    first.settle(250, 100)
    second.settle(100, 600)
    first.settle(0, 0)
    first.cancel()
    assert quota.pending == 0
    assert left(quota, 0.0, Kind.INPUT_TOKENS) == 1000 - 250 - 100
    assert left(quota, 0.0, Kind.OUTPUT_TOKENS) == 1000 - 100 - 600


def test_a_settled_call_stays_counted_and_a_cancelled_one_does_not() -> None:
    quota = make()
    taken(quota, ONE, 0.0).settle(0, 0)
    assert left(quota, 0.0) == 59
    taken(quota, ONE, 0.0).cancel()
    assert left(quota, 0.0) == 59


def test_a_call_larger_than_the_quota_goes_when_all_is_there_and_is_paid_for() -> None:
    quota = make(whole(tokens_per_minute=600))
    call = taken(quota, Need.of(1000, 0), 0.0)
    assert left(quota, 0.0, Kind.TOKENS) == -400
    assert quota.wait_s(Need.of(1000, 0), 0.0) == pytest.approx(100)
    call.settle(100, 0)
    assert left(quota, 0.0, Kind.TOKENS) == 500
    assert taken(make(whole(tokens_per_minute=600)), Need.of(1e11, 0), 0.0) is not None


@pytest.mark.parametrize("used", [1e300, 5e3])
def test_usage_that_lies_costs_one_capacity_at_most(used: float) -> None:
    quota = make(whole(tokens_per_minute=600))
    taken(quota, Need.of(10, 0), 0.0).settle(used, 0)
    assert left(quota, 0.0, Kind.TOKENS) == -600


@pytest.mark.parametrize("tokens", [-1.0, inf, float("nan")])
def test_counts_that_are_none_are_not_accepted(tokens: float) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Need.of(tokens, 0)
    with pytest.raises(ValueError, match="0 or more"):
        taken(make(), ONE, 0.0).settle(0, tokens)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("requests_per_minute", 0),
        ("tokens_per_minute", -1),
        ("output_tokens_per_minute", inf),
        ("burst_s", 0),
        ("burst_s", 61),
        ("share", 0),
        ("share", 1.5),
        ("retry_after_s_max", 0),
        ("retry_after_s_max", 1e9),
    ],
)
def test_limits_that_make_no_sense_are_not_accepted(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=r"positive|above"):
        QuotaLimits(**{name: value})


def test_a_worker_with_a_share_uses_no_more_than_that() -> None:
    quota = make(whole(requests_per_minute=60, share=0.25, burst_s=20))
    assert quota.left(0.0) == [Left(Kind.REQUESTS, 15, 5)]
    for _ in range(5):
        taken(quota, ONE, 0.0)
    assert quota.wait_s(ONE, 0.0) == pytest.approx(4)


def test_a_key_without_limits_is_open_and_learns_from_headers() -> None:
    quota = make(OPEN)
    assert not quota.is_limited
    call = taken(quota, Need.of(1e9, 1e9), 0.0)
    assert quota.room(ONE, 0.0) == 1
    quota.observe(said(60, 20), 1.0, call)
    assert quota.is_limited
    assert quota.left(1.0) == [Left(Kind.REQUESTS, 60, 20)]
    call.settle(1, 1)
    assert left(quota, 1.0) == 20


def test_a_key_that_must_not_learn_does_not() -> None:
    quota = make(QuotaLimits(is_learning=False))
    quota.observe(said(60, 0, 60), 0.0, None)
    assert not quota.is_limited


def test_headers_lower_what_others_used_of_the_key() -> None:
    quota = make()
    quota.observe(said(60, 10, 50), 0.0, taken(quota, ONE, 0.0))
    assert left(quota, 0.0) == 10


def test_headers_raise_what_was_thought_used_and_was_not() -> None:
    quota = make()
    for _ in range(50):
        taken(quota, ONE, 0.0)
    quota.observe(said(60, 40, 20), 0.0, taken(quota, ONE, 0.0))
    assert left(quota, 0.0) == 40


def test_calls_sent_since_may_not_have_been_seen_by_the_provider() -> None:
    quota = make()
    early = taken(quota, ONE, 0.0)
    for _ in range(30):
        taken(quota, ONE, 0.0)
    quota.observe(said(60, 59, 1), 0.0, early)
    assert left(quota, 0.0) == 29
    quota.observe(said(60, 40, 20), 0.0, early)
    assert left(quota, 0.0) == 29
    quota.observe(said(60, 25, 35), 0.0, early)
    assert left(quota, 0.0) == 25


def test_what_comes_late_says_what_was_left_then() -> None:
    quota = make()
    late = taken(quota, ONE, 0.0)
    for _ in range(49):
        taken(quota, ONE, 0.0)
    assert left(quota, 20.0) == 30
    quota.observe(said(60, 59, 1), 20.0, late)
    assert left(quota, 20.0) == 30


def test_rounded_tokens_are_believed_as_far_as_they_go() -> None:
    quota = make(whole(input_tokens_per_minute=30_000))
    call = taken(quota, Need.of(300, 0), 0.0)
    quota.observe(said(30_000, 30_000, 0, Kind.INPUT_TOKENS, grain=500), 0.0, call)
    assert left(quota, 0.0, Kind.INPUT_TOKENS) == 29_700


def test_a_shared_key_is_lowered_to_its_share_and_never_raised() -> None:
    quota = make(whole(requests_per_minute=120, share=0.5))
    for _ in range(20):
        taken(quota, ONE, 0.0)
    quota.observe(said(120, 100, 10), 0.0, taken(quota, ONE, 0.0))
    assert left(quota, 0.0) == 39
    quota.observe(said(120, 10, 55), 0.0, taken(quota, ONE, 0.0))
    assert left(quota, 0.0) == 5


def test_a_quota_of_a_day_does_not_undo_that_of_a_minute() -> None:
    quota = make(whole(requests_per_minute=30))
    for _ in range(29):
        taken(quota, ONE, 0.0)
    quota.observe(said(14_400, 14_370, 179.56), 0.0, taken(quota, ONE, 0.0))
    assert quota.left(0.0) == [Left(Kind.REQUESTS, 30, 0)]
    stranger = make(OPEN)
    stranger.observe(said(14_400, 14_370, 179.56), 0.0, None)
    assert not stranger.is_limited


def test_a_lower_limit_per_minute_is_believed_and_a_higher_one_is_not() -> None:
    quota = make(whole(requests_per_minute=60))
    quota.observe(said(30, 15, 30), 0.0, taken(quota, ONE, 0.0))
    assert quota.left(0.0) == [Left(Kind.REQUESTS, 30, 15)]
    quota.observe(said(600, 300, 30), 0.0, taken(quota, ONE, 0.0))
    assert quota.left(0.0)[0].per_minute == 60


def test_a_limit_of_ten_seconds_does_not_become_one_of_a_minute() -> None:
    quota = make()
    quota.observe(said(10, 4, 6), 0.0, taken(quota, ONE, 0.0))
    assert quota.left(0.0)[0].per_minute == 60
    assert left(quota, 0.0) == 4


def test_retry_after_shuts_the_key_whatever_it_holds() -> None:
    quota = make()
    call = taken(quota, ONE, 0.0)
    quota.observe(said(60, 30, 30, retry_after_s=7), 0.0, call, 429)
    assert quota.wait_s(ONE, 0.0) == 7
    assert quota.reserve(ONE, 6.99) is None
    assert quota.reserve(ONE, 7.0) is not None
    assert left(quota, 7.0) == 29, "nothing came while it was shut"


def test_retry_after_shuts_a_key_without_limits_too_until_it_is_over() -> None:
    quota = make(OPEN)
    quota.observe(Told((), 5), 0.0, None, 503)
    assert quota.is_limited
    assert quota.wait_s(ONE, 1.0) == 4
    assert quota.reserve(ONE, 5.0) is not None
    assert not quota.is_limited


def test_the_later_end_counts_and_a_short_one_does_not_open() -> None:
    quota = make()
    quota.observe(Told((), 30), 0.0, None, 503)
    quota.observe(Told((), 1), 0.0, None, 529)
    assert quota.wait_s(ONE, 0.0) == 30


def test_an_absurd_retry_after_is_bounded() -> None:
    quota = make(whole(requests_per_minute=60, retry_after_s_max=20))
    quota.observe(read_told([(b"retry-after", b"99999999999")], 0.0), 0.0, None, 503)
    assert quota.wait_s(ONE, 0.0) == 20


@pytest.mark.parametrize("text", [b"-5", b"inf", b"1e999", b"nan", b"soon", b""])
def test_a_retry_after_that_means_nothing_counts_as_none(text: bytes) -> None:
    told = read_told([(b"retry-after", text)], 0.0)
    quota = make(OPEN)
    quota.observe(told, 0.0, None, 503)
    assert not quota.is_limited
    quota.observe(told, 0.0, None, 429)
    assert quota.wait_s(ONE, 0.0) == REFUSED_S


def test_a_refusal_without_a_word_means_that_nothing_is_left() -> None:
    quota = make()
    call = taken(quota, ONE, 0.0)
    quota.observe(NOTHING, 0.0, call, 429)
    assert left(quota, 0.0) == 0
    assert quota.wait_s(ONE, 0.0) == pytest.approx(1.0)


def test_a_server_that_is_overloaded_says_nothing_of_the_quota() -> None:
    quota = make()
    quota.observe(Told((), 2), 0.0, taken(quota, ONE, 0.0), 503)
    assert left(quota, 0.0) == 59
    assert quota.wait_s(ONE, 0.0) == 2


def test_a_success_shuts_nothing() -> None:
    quota = make(OPEN)
    quota.observe(Told((), 30), 0.0, None, 200)
    assert not quota.is_limited


def test_what_came_before_a_refusal_counts_and_nothing_comes_while_it_lasts() -> None:
    quota = make()
    calls = [taken(quota, ONE, 0.0) for _ in range(60)]
    quota.observe(Told((Reading(Kind.REQUESTS, 60, 10, 50, 0),), 5), 10.0, calls[0], 429)
    assert left(quota, 15.0) == pytest.approx(10)
    assert left(quota, 16.0) == pytest.approx(11)


def test_headers_without_a_reservation_move_nothing() -> None:
    quota = make()
    quota.observe(said(60, 1, 59), 0.0, None)
    assert left(quota, 0.0) == 60


def test_a_limit_learnt_while_a_call_was_under_way_is_not_settled_by_it() -> None:
    quota = make(OPEN)
    old, new = taken(quota, Need.of(100, 0), 0.0), taken(quota, Need.of(100, 0), 0.0)
    quota.observe(said(1000, 500, None, Kind.TOKENS), 0.0, new)
    old.settle(0, 0)
    assert left(quota, 0.0, Kind.TOKENS) == 500


@pytest.mark.parametrize("step_s", [0.5, 100.0, 1e7])
def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing(step_s: float) -> None:
    quota = make(now_s=1e6)
    for _ in range(60):
        taken(quota, ONE, 1e6)
    back_s = 1e6 - step_s
    assert quota.reserve(ONE, back_s) is None
    assert quota.wait_s(ONE, back_s) == pytest.approx(1.0)
    # A second later by either clock, a call has come back.
    assert quota.reserve(ONE, max(back_s, 1e6 - 1.0) + 2.0) is not None


def test_a_clock_that_jumps_fills_the_key_and_no_more() -> None:
    quota = make()
    taken(quota, ONE, 0.0)
    assert left(quota, 1e12) == 60


def test_other_limits_take_over_what_was_used() -> None:
    quota = make()
    for _ in range(30):
        taken(quota, ONE, 0.0)
    quota.adopt(whole(requests_per_minute=40, tokens_per_minute=600), 0.0)
    assert left(quota, 0.0) == 30
    assert left(quota, 0.0, Kind.TOKENS) == 600
    quota.adopt(whole(requests_per_minute=20), 0.0)
    assert [(each.kind, each.left) for each in quota.left(0.0)] == [(Kind.REQUESTS, 20)]
    quota.adopt(OPEN, 0.0)
    assert quota.left(0.0) == []
    assert not quota.is_limited


def test_other_limits_open_nothing_that_is_shut_and_forget_nothing_learnt() -> None:
    quota = make(OPEN)
    quota.observe(said(100, 40), 0.0, None)
    quota.observe(said(None, None, retry_after_s=20.0), 0.0, None, 429)
    quota.adopt(whole(tokens_per_minute=600), 0.0)
    assert quota.closed_s(5.0) == pytest.approx(15.0)
    assert {each.kind for each in quota.left(5.0)} == {Kind.REQUESTS, Kind.TOKENS}
    assert quota.reserve(ONE, 5.0) is None


def test_a_reservation_outlives_its_limit() -> None:
    quota = make(whole(tokens_per_minute=600))
    reservation = taken(quota, Need.of(100, 0), 0.0)
    quota.adopt(SIXTY, 0.0)
    reservation.settle(100, 0)
    assert quota.pending == 0
    assert left(quota, 0.0) == 60


def test_what_a_key_can_ever_hold_is_that_of_all_its_users() -> None:
    quota = make(whole(tokens_per_minute=600, share=0.5))
    assert quota.holds(Need.of(600, 0))
    assert not quota.holds(Need.of(601, 0))
    assert make(OPEN).holds(Need.of(1e12, 0))


def test_output_that_is_late_may_be_guessed_apart_from_what_is_asked() -> None:
    quota = make(whole(tokens_per_minute=6000, output_tokens_per_minute=600))
    reservation = taken(quota, Need(1.0, 1100.0, 100.0, 50.0), 0.0)
    assert left(quota, 0.0, Kind.TOKENS) == 4900
    assert left(quota, 0.0, Kind.OUTPUT_TOKENS) == 550
    reservation.settle(100, 20)
    assert left(quota, 0.0, Kind.TOKENS) == 4900  # counted as it was asked for
    assert left(quota, 0.0, Kind.OUTPUT_TOKENS) == 580
