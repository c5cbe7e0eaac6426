"""Vegas as Netflix's concurrency-limits has it, worked out by hand."""

from headrace.flow.limit.vegas import VegasLimit


def make(initial: int, **terms: int) -> VegasLimit:
    return VegasLimit(uniform=lambda: 0.0, initial=initial, **terms)


def see(limit: VegasLimit, rtt_s: float, *, inflight: int = 10_000) -> None:
    limit.update(rtt_s, inflight, is_drop=False, now_s=0.0)


def test_the_first_signal_is_the_quickest_and_moves_nothing() -> None:
    limit = make(20)
    see(limit, 0.1)
    assert limit.limit == 20


def test_without_a_queue_it_grows_fast() -> None:
    limit = make(20)
    see(limit, 0.1)
    see(limit, 0.1)  # queue 0 <= 1: by 6 * floor(log10(20)) = 6
    assert limit.limit == 26


def test_with_a_short_queue_it_grows_slowly() -> None:
    limit = make(20)
    see(limit, 0.1)
    see(limit, 0.11)  # queue = ceil(20 * (1 - 0.1 / 0.11)) = ceil(1.818) = 2 < 3
    assert limit.limit == 21


def test_with_a_queue_of_the_right_length_it_stays() -> None:
    limit = make(20)
    see(limit, 0.1)
    see(limit, 0.125)  # queue = ceil(20 * 0.2) = 4, between 3 and 6
    assert limit.limit == 20


def test_with_a_long_queue_it_shrinks() -> None:
    limit = make(20)
    see(limit, 0.1)
    see(limit, 0.16)  # queue = ceil(20 * 0.375) = 8 > 6
    assert limit.limit == 19


def test_steps_grow_with_the_logarithm_of_the_limit() -> None:
    limit = make(100)
    see(limit, 0.1)
    see(limit, 0.1)  # floor(log10(100)) = 2: by 12
    assert limit.limit == 112
    see(limit, 0.2)  # queue = 56 > 12: by 2
    assert limit.limit == 110


def test_a_drop_shrinks_it_and_is_no_signal() -> None:
    limit = make(20)
    see(limit, 0.1)
    limit.update(0.001, 20, is_drop=True, now_s=0.0)
    assert limit.limit == 19
    see(limit, 0.1)  # still the quickest is 0.1: no queue
    assert limit.limit == 25


def test_it_does_not_grow_while_less_than_half_is_in_use() -> None:
    limit = make(20)
    see(limit, 0.1)
    see(limit, 0.1, inflight=9)
    assert limit.limit == 20


def test_the_quickest_is_forgotten_after_a_while() -> None:
    limit = make(2, probe_multiplier=10)  # a draw of 0 makes it half of that: 10 calls
    see(limit, 0.1, inflight=0)
    for _ in range(8):
        see(limit, 0.5, inflight=0)
    see(limit, 0.5, inflight=0)  # the tenth: forgotten, and 0.5 taken for it
    see(limit, 0.5)
    assert limit.limit == 8


def test_it_stays_within_its_bounds() -> None:
    limit = make(3, limit_min=2, limit_max=5)
    see(limit, 0.1)
    for _ in range(20):
        see(limit, 0.1)
    assert limit.limit == 5
    for _ in range(20):
        limit.update(0.1, 5, is_drop=True, now_s=0.0)
    assert limit.limit == 2
