"""CUBIC: the curve of RFC 9438, worked out by hand."""

import pytest

from headrace.flow.limit.cubic import CubicLimit


def drop(limit: CubicLimit, now_s: float) -> None:
    limit.update(0.0, limit.limit, is_drop=True, now_s=now_s)


def succeed(limit: CubicLimit, now_s: float, times: int = 1, inflight: int | None = None) -> None:
    for _ in range(times):
        limit.update(0.1, limit.limit if inflight is None else inflight, is_drop=False, now_s=now_s)


def test_slow_start_doubles_in_a_round_of_calls() -> None:
    limit = CubicLimit(initial=4)
    succeed(limit, 0.0, 4)
    assert limit.limit == 8


def test_the_curve_comes_back_to_what_was_good_after_k_seconds() -> None:
    limit = CubicLimit(initial=101, pace=0.4, backoff=0.75)
    drop(limit, 0.0)
    # good = 100, low = floor(75.75) = 75, k = cbrt(25 / 0.4) = 3.9685 s.
    # So many successes go all of the way.
    assert limit.limit == 75
    succeed(limit, 2.0, 3000)
    # 100 + 0.4 * (2 - 3.9685)^3 = 100 - 3.0511 = 96.9489
    assert limit.limit == 96
    succeed(limit, 3.9, 3000)
    assert limit.limit == 99
    succeed(limit, 3.9686, 5000)
    # 0.4 * (3.1 s)^3 = 11.9164
    succeed(limit, 3.9685 + 3.1, 5000)
    assert limit.limit == 111


def test_a_success_goes_a_share_of_the_way() -> None:
    limit = CubicLimit(initial=11, pace=1.0)
    drop(limit, 0.0)
    # good = 10, low = 9, k = 1 s. After 2 s the curve is at 11: each success adds (11 - w) / w,
    # 9 -> 9.2222 -> 9.4150 -> 9.5834 -> 9.7312 -> 9.8616 -> 9.9770 -> 10.0795
    assert limit.limit == 9
    succeed(limit, 2.0, 6)
    assert limit.limit == 9
    succeed(limit, 2.0)
    assert limit.limit == 10


def test_it_never_aims_beyond_one_and_a_half() -> None:
    limit = CubicLimit(initial=11, pace=1.0)
    drop(limit, 0.0)
    # The curve is in the millions: a success adds (1.5 w - w) / w, a half.
    succeed(limit, 1000.0, 2)
    assert limit.limit == 10
    succeed(limit, 1000.0, 2)
    assert limit.limit == 11


def test_time_in_which_the_limit_was_not_used_does_not_count() -> None:
    limit = CubicLimit(initial=11, pace=1.0)
    drop(limit, 0.0)
    for second in range(1, 1000):
        succeed(limit, float(second), inflight=2)
    succeed(limit, 1000.0, 100)
    # One second has counted, the one since the last call that did not use it: k is 1 s as well.
    assert limit.limit == 9 or limit.limit == 10
    assert limit.limit < 11


def test_a_decrease_is_one_for_all_calls_under_way() -> None:
    limit = CubicLimit(initial=20)
    for _ in range(5):
        limit.update(0.5, 20, is_drop=True, now_s=1.0)
    assert limit.limit == 18
    limit.update(0.5, 18, is_drop=True, now_s=2.0)
    assert limit.limit == 16


def test_small_limits_go_back_by_one_and_stay_there_for_a_while() -> None:
    limit = CubicLimit(initial=6, pace=0.4)
    drop(limit, 0.0)
    assert limit.limit == 5
    # 5 + 0.4 t^3 reaches 6 at cbrt(2.5) = 1.3572 s.
    succeed(limit, 1.35, 1000)
    assert limit.limit == 5
    succeed(limit, 1.36, 1000)
    assert limit.limit == 6


def test_a_clock_that_jumps_leaves_it_sane() -> None:
    limit = CubicLimit(initial=10, limit_max=50)
    drop(limit, 1e6)
    succeed(limit, 5.0, 100)
    assert limit.limit <= 10
    drop(limit, 6.0)
    succeed(limit, 1e9, 1000)
    assert limit.limit == 50


@pytest.mark.parametrize("pace", [0.0, -1.0, float("inf"), float("nan")])
def test_a_pace_that_makes_no_sense_is_refused(pace: float) -> None:
    with pytest.raises(ValueError, match="pace is"):
        CubicLimit(pace=pace)
