"""Gradient2 as Netflix's concurrency-limits has it, worked out by hand."""

import pytest

from headrace.flow.limit.gradient2 import Gradient2Limit, LongMean


def see(
    limit: Gradient2Limit, rtt_s: float, *, inflight: int | None = None, times: int = 1
) -> None:
    for _ in range(times):
        inflight_now = limit.limit if inflight is None else inflight
        limit.update(rtt_s, inflight_now, is_drop=False, now_s=0.0)


def test_without_queueing_it_grows_by_the_queue_smoothed() -> None:
    limit = Gradient2Limit(initial=20)
    # long = now, gradient = 1: 20 * 0.8 + (20 + 4) * 0.2 = 20.8, then 21.6
    see(limit, 0.1)
    assert limit.limit == 20
    see(limit, 0.1)
    assert limit.limit == 21


def test_queueing_shrinks_it_by_the_gradient() -> None:
    limit = Gradient2Limit(initial=100, smoothing=1.0, tolerance=1.0, limit_max=1000)
    see(limit, 0.1, inflight=1, times=10)  # a long mean of 0.1 s, and no growth: not in use
    assert limit.limit == 100
    # long = 0.1 + (0.125 - 0.1) * 2 / 601 = 0.1000832, gradient = 0.800666: 100 * 0.800666 + 4
    see(limit, 0.125, inflight=100)
    assert limit.limit == 84


def test_the_gradient_is_never_below_a_half() -> None:
    limit = Gradient2Limit(initial=100, smoothing=1.0)
    see(limit, 0.1, inflight=1, times=10)
    see(limit, 60.0, inflight=100)
    assert limit.limit == 54


def test_within_the_tolerance_it_grows() -> None:
    limit = Gradient2Limit(initial=100, smoothing=1.0, tolerance=1.5)
    see(limit, 0.1, inflight=1, times=10)
    see(limit, 0.149, inflight=100)
    assert limit.limit == 104


def test_it_holds_still_while_less_than_half_is_in_use() -> None:
    limit = Gradient2Limit(initial=20)
    see(limit, 0.1, inflight=9, times=50)
    assert limit.limit == 20


def test_drops_and_calls_without_a_signal_teach_it_nothing() -> None:
    limit = Gradient2Limit(initial=20)
    limit.update(9.0, 20, is_drop=True, now_s=0.0)
    see(limit, 0.0, times=100)
    assert limit.limit == 20


def test_after_load_has_gone_the_long_mean_comes_down_faster() -> None:
    limit = Gradient2Limit(initial=20, smoothing=1.0, tolerance=1.0, limit_max=20)
    see(limit, 1.0, inflight=1, times=10)
    see(limit, 0.1, inflight=1, times=20)
    # 0.95 a time and 1 / 300 of the rest: 1.0 -> about 0.35 after twenty. By it a signal of 0.7
    # is queueing, where it was none by the mean of before.
    see(limit, 0.7, inflight=20)
    assert limit.limit == 14


def test_the_long_mean_is_plain_at_first_and_then_weighted() -> None:
    mean = LongMean(window=3, warmup=2)
    assert mean.add(1.0) == 1.0
    assert mean.add(2.0) == 1.5
    # 2 / (3 + 1) = a half: 1.5 + (4.5 - 1.5) / 2
    assert mean.add(4.5) == 3.0


@pytest.mark.parametrize(
    "terms",
    [
        {"tolerance": 0.9},
        {"queue": 0},
        {"queue": float("inf")},
        {"smoothing": 0.0},
        {"smoothing": 1.5},
        {"window": 0},
        {"initial": 0},
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=" "):
        Gradient2Limit(**terms)  # type: ignore[arg-type]
