"""Gradient as Netflix's concurrency-limits has it, with the least of a window, by hand."""

import pytest

from headrace.flow.limit.gradient import GradientLimit


def see(
    limit: GradientLimit, rtt_s: float, *, inflight: int | None = None, now_s: float = 0.0
) -> None:
    inflight_now = limit.limit if inflight is None else inflight
    limit.update(rtt_s, inflight_now, is_drop=False, now_s=now_s)


def test_it_grows_by_half_until_calls_queue() -> None:
    limit = GradientLimit(initial=4, least=0.1)
    for expected in (6, 6, 9, 9, 13, 13, 20):  # 4, 6, 9, 13.5, 20.25
        see(limit, 0.1)
        assert limit.limit == expected


def test_it_grows_no_further_before_it_was_used() -> None:
    limit = GradientLimit(initial=10, least=0.1)
    see(limit, 0.1)
    for _ in range(5):  # calls that began before the limit grew know nothing of how it does
        see(limit, 0.1, inflight=10)
    assert limit.limit == 15
    see(limit, 0.1, inflight=12)
    see(limit, 0.1, inflight=11)
    see(limit, 0.1, inflight=12)
    assert limit.limit == 15
    see(limit, 0.1, inflight=12)
    assert limit.limit == 22


def test_calls_that_take_longer_than_a_window_do_not_carry_it_away() -> None:
    limit, knee, under_way_s, now_s = GradientLimit(initial=20, least=1.0), 20, 1.0, 0.0
    limits = [limit.limit]
    for _ in range(20):  # a signal every quarter of a second, of calls that began a second ago
        now_s += 0.25
        then = limits[max(0, len(limits) - round(under_way_s / 0.25))]
        limit.update(max(1.0, then / knee), then, is_drop=False, now_s=now_s)
        limits.append(limit.limit)
    assert max(limits) == 30


def test_queueing_ends_the_slow_start_and_shrinks_it_by_the_gradient() -> None:
    limit = GradientLimit(
        initial=4, tolerance=1.2, queue_base=0.2, queue_share=0.05, smoothing=0.5, least=0.1
    )
    for _ in range(7):
        see(limit, 0.1)
    # gradient = 1.2 * 0.1 / 0.2 = 0.6: aim = 20.25 * 0.6 + 0.2 + 1.0125 = 13.3625, half of the way
    see(limit, 0.2)
    assert limit.limit == 16  # 16.80625
    # gradient 1: aim = 16.80625 * 1.05 + 0.2 = 17.8465625, half of the way 17.3264
    see(limit, 0.1)
    assert limit.limit == 17
    see(limit, 0.1)  # no slow start any more: 17.3264 * 1.025 + 0.1 = 17.8596
    assert limit.limit == 17
    see(limit, 0.1)  # 18.4061
    assert limit.limit == 18


def test_a_gradient_of_nine_tenths_does_not_end_the_slow_start() -> None:
    limit = GradientLimit(initial=4, tolerance=1.2, least=0.1)
    see(limit, 0.1)
    see(limit, 0.13)  # 0.92
    see(limit, 0.13)
    assert limit.limit == 9


def test_the_gradient_is_never_below_a_half() -> None:
    limit = GradientLimit(initial=100, smoothing=0.5, queue_base=0.0, queue_share=0.1, least=0.1)
    see(limit, 60.0)
    assert limit.limit == 80  # 100 -> 60, half of the way


def test_it_holds_still_while_less_than_half_is_in_use() -> None:
    limit = GradientLimit(initial=20)
    for _ in range(10):
        see(limit, 0.1, inflight=9)
    assert limit.limit == 20


def test_drops_and_calls_without_a_signal_teach_it_nothing() -> None:
    limit = GradientLimit(initial=20)
    limit.update(9.0, 20, is_drop=True, now_s=0.0)
    see(limit, 0.0)
    assert limit.limit == 20


def test_what_was_quick_once_is_forgotten() -> None:
    limit = GradientLimit(initial=100)
    see(limit, 0.1)
    see(limit, 0.1)
    for second in range(1, 590):
        see(limit, 0.4, now_s=float(second))
    low = limit.limit
    for second in range(601, 700):
        see(limit, 0.4, now_s=float(second))
    assert low == 1
    assert limit.limit > 10


def test_without_a_least_that_is_known_it_waits_until_it_has_seen_one() -> None:
    limit = GradientLimit(initial=4)
    see(limit, 0.3)
    assert limit.limit == 4
    see(limit, 0.1)  # the least is the mean of two, 0.2: the signal is half of it
    assert limit.limit == 6


def test_it_stays_within_its_bounds() -> None:
    limit = GradientLimit(initial=3, limit_min=2, limit_max=5)
    for _ in range(10):
        see(limit, 0.1)
    assert limit.limit == 5
    for _ in range(50):
        see(limit, 10.0)
    assert limit.limit == 2


@pytest.mark.parametrize(
    "terms",
    [
        {"tolerance": 0.5},
        {"queue_base": -1.0},
        {"queue_share": 0.0},
        {"smoothing": 1.0},
        {"least": 0.0},
        {"initial": 0},
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=" "):
        GradientLimit(**terms)  # type: ignore[arg-type]
