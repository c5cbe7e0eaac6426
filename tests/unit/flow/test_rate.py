"""GCRA, and the limits of a caller."""

from math import inf

import pytest

from headrace.flow.rate import CELLS, CallerRate, Gcra, RateLimits, Refusal, duration_text


def test_a_burst_goes_at_once_and_then_the_rate() -> None:
    gcra = Gcra(60, burst_s=5)
    for _ in range(5):
        assert gcra.wait_s(1, 0.0) == 0
        gcra.take(1, 0.0)
    assert gcra.wait_s(1, 0.0) == pytest.approx(1)
    assert gcra.wait_s(3, 0.5) == pytest.approx(2.5)
    assert gcra.left(0.0) == 0
    assert gcra.left(2.5) == 2
    assert gcra.reset_s(2.0) == pytest.approx(3)


def test_one_call_may_always_come() -> None:
    gcra = Gcra(1, burst_s=5)
    assert gcra.burst == 1
    assert gcra.wait_s(1, 0.0) == 0
    assert gcra.wait_s(1.5, 0.0) == inf


def test_what_is_given_back_counts_up_to_the_burst() -> None:
    gcra = Gcra(60, burst_s=10)
    gcra.take(8, 0.0)
    gcra.give_back(3)
    assert gcra.left(0.0) == 5
    gcra.give_back(100)
    assert gcra.left(0.0) == 10


def test_debt_has_a_bound() -> None:
    gcra = Gcra(60, burst_s=10)
    gcra.charge(1e300, 0.0)
    assert gcra.reset_s(0.0) == 20
    gcra.charge(1, 0.0)
    assert gcra.reset_s(0.0) == 20


def test_requests_and_tokens_are_counted_together_or_not_at_all() -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60, tokens_per_minute=600))
    assert caller.is_limited
    assert caller.admit(600, 0.0) is None
    assert caller.admit(60, 0.0) == Refusal("tokens", pytest.approx(6))
    assert caller.headers(0.0) == [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "600"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "1m0s"),
    ]
    assert caller.admit(60, 6.0) is None


def test_more_tokens_than_ever_come_at_once_never_go() -> None:
    caller = CallerRate(RateLimits(tokens_per_minute=600))
    assert caller.tokens_max == 600
    assert caller.admit(601, 0.0) == Refusal("tokens", inf)
    assert caller.book(601, 0.0, wait_s_max=inf) == Refusal("tokens", inf)
    assert CallerRate(RateLimits()).tokens_max == inf


def test_tokens_are_settled_with_the_truth() -> None:
    caller = CallerRate(RateLimits(tokens_per_minute=600))
    caller.admit(500, 0.0)
    caller.settle(500, 200, 0.0)
    assert dict(caller.headers(0.0))["x-ratelimit-remaining-tokens"] == "400"
    caller.settle(200, 300, 0.0)
    assert dict(caller.headers(0.0))["x-ratelimit-remaining-tokens"] == "300"


def test_calls_at_once() -> None:
    caller = CallerRate(RateLimits(concurrent=2))
    assert [caller.admit(0, 0.0) for _ in range(2)] == [None, None]
    assert caller.admit(0, 0.0) == Refusal("concurrent", 1.0)
    caller.release()
    assert caller.admit(0, 0.0) is None
    assert caller.headers(0.0) == []


def test_a_process_with_a_share_gives_that() -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60, concurrent=10, share=0.1))
    assert [caller.admit(0, 0.0) is None for _ in range(2)] == [True, False]
    assert dict(caller.headers(0.0))["x-ratelimit-limit-requests"] == "6"


def test_a_caller_without_limits_is_not_limited() -> None:
    caller = CallerRate(RateLimits())
    assert not caller.is_limited
    assert caller.admit(1e12, 0.0) is None
    caller.settle(1e12, 0, 0.0)
    caller.unbook(3)


def test_a_call_may_enter_before_its_tokens_are_known() -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60, tokens_per_minute=600, burst_s=2))
    assert caller.enter(0.0) is None
    assert caller.reserve(20, 0.0) is None
    assert caller.inflight == 1
    assert caller.enter(0.0) is None
    assert caller.reserve(1, 0.0) == Refusal("tokens", pytest.approx(0.1))
    caller.uncount()
    caller.release()
    assert caller.request_wait_s(0.0) == 0  # the one that was refused counts no more
    assert caller.enter(0.0) is None
    assert caller.enter(0.0) == Refusal("requests", pytest.approx(1))
    assert caller.inflight == 2


def test_calls_at_once_are_looked_at_first() -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60, concurrent=1))
    assert caller.enter(0.0) is None
    assert caller.enter(0.0) == Refusal("concurrent", 1.0)
    assert caller.standings(0.0)[0].left == 59  # it was not counted


def test_without_limits_of_tokens_none_are_reserved() -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60))
    assert caller.reserve(1e12, 0.0) is None
    assert not caller.limits_tokens


@pytest.mark.parametrize(
    ("per_minute", "left"),
    [(60, 10), (600, 100), (30, 5), (6000, 1000)],
)
def test_the_same_part_stays_used_under_other_limits(per_minute: float, left: int) -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60, concurrent=100))
    for _ in range(50):
        assert caller.enter(1.0) is None
    caller.change(RateLimits(requests_per_minute=per_minute, concurrent=40), 1.0)
    assert caller.standings(1.0)[0].left == left
    assert caller.enter(1.0) == Refusal("concurrent", 1.0)
    caller.change(RateLimits(concurrent=100), 1.0)
    assert caller.enter(1.0) is None


def test_no_change_of_limits_makes_anyone_wait_for_more_than_a_burst() -> None:
    caller = CallerRate(RateLimits(tokens_per_minute=60_000))
    assert caller.reserve(60_000, 0.0) is None
    caller.change(RateLimits(tokens_per_minute=60, burst_s=10), 0.0)
    assert caller.reserve(1, 0.0) == Refusal("tokens", pytest.approx(1))


def test_processes_share_limits_by_their_cells() -> None:
    cells = [0.0] * (CELLS + 2)
    limits = RateLimits(requests_per_minute=60, tokens_per_minute=600, concurrent=3, burst_s=3)
    first, second = (CallerRate(limits, cells, place) for place in (0, 1))
    for caller in (first, second, first):
        assert caller.enter(5.0) is None
    assert (first.inflight, second.inflight) == (2, 1)
    assert second.enter(5.0) == Refusal("concurrent", 1.0)
    first.release()
    assert second.enter(5.0) == Refusal("requests", pytest.approx(1))
    assert first.reserve(30, 5.0) is None
    assert second.standings(5.0) == first.standings(5.0)
    assert second.reserve(1, 5.0) == Refusal("tokens", pytest.approx(0.1))
    for caller in (first, second):  # once is enough, and twice does no harm
        caller.change(RateLimits(requests_per_minute=600, concurrent=3, burst_s=2), 5.0)
    assert second.standings(5.0)[0].left == 0
    assert second.enter(6.0) is None
    successor = CallerRate(limits, cells, 1)  # of one that died with its calls
    assert successor.inflight == 0
    assert first.inflight == 1
    second.release()  # of those before
    assert successor.inflight == 0
    assert first.inflight_of_all == 1


def test_calls_are_booked_one_after_the_other() -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60, tokens_per_minute=600, burst_s=1))
    waits = [caller.book(1, 0.0, wait_s_max=inf) for _ in range(3)]
    assert waits == pytest.approx([0, 1, 2])
    assert caller.book(1, 0.0, wait_s_max=2.5) == Refusal("requests", pytest.approx(3))
    caller.unbook(1)
    assert caller.book(1, 0.0, wait_s_max=2.5) == pytest.approx(2)


@pytest.mark.parametrize("step_s", [0.5, 50.0, 1e8])
def test_a_clock_that_goes_back_admits_nothing_more(step_s: float) -> None:
    caller = CallerRate(RateLimits(requests_per_minute=60, burst_s=1))
    assert caller.admit(0, 1e6) is None
    assert caller.admit(0, 1e6 - step_s) == Refusal("requests", pytest.approx(1))
    assert caller.admit(0, max(1e6 - step_s, 1e6 - 1) + 2) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("requests_per_minute", 0),
        ("tokens_per_minute", -5),
        ("concurrent", 0),
        ("requests_per_minute", inf),
        ("burst_s", 0),
        ("burst_s", 100),
        ("share", 0),
        ("share", 2),
    ],
)
def test_limits_that_make_no_sense(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=r"positive|above"):
        RateLimits(**{name: value})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.012, "12ms"),
        (1, "1s"),
        (7.66, "7.66s"),
        (59.9999, "1m0s"),
        (179.56, "2m59.56s"),
        (360, "6m0s"),
        (3723, "1h2m3s"),
    ],
)
def test_spans_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
