"""AIMD: the rules of RFC 5681 and RFC 6582, with the decrease of Netflix's concurrency-limits."""

import pytest

from headrace.flow.limit.aimd import AimdLimit


def succeed(
    limit: AimdLimit, times: int, *, inflight: int | None = None, now_s: float = 0.0
) -> None:
    for _ in range(times):
        limit.update(0.1, limit.limit if inflight is None else inflight, is_drop=False, now_s=now_s)


def drop(limit: AimdLimit, *, began_s: float, now_s: float) -> None:
    limit.update(now_s - began_s, limit.limit, is_drop=True, now_s=now_s)


def test_slow_start_doubles_in_a_round_of_calls() -> None:
    limit = AimdLimit(initial=4)
    succeed(limit, 4)
    assert limit.limit == 8
    succeed(limit, 8)
    assert limit.limit == 16


@pytest.mark.parametrize(
    ("before", "after"),
    [(10, 9), (20, 18), (100, 90), (25, 22), (5, 4), (2, 1), (1, 1)],
)
def test_a_drop_leaves_nine_tenths_and_at_least_one_less(before: int, after: int) -> None:
    limit = AimdLimit(initial=before)
    drop(limit, began_s=0.0, now_s=1.0)
    assert limit.limit == after


def test_after_a_drop_it_grows_by_one_in_a_round_of_calls() -> None:
    limit = AimdLimit(initial=10)
    drop(limit, began_s=0.0, now_s=1.0)
    # 9 + 1/9 + 1/9.111.. : ten successes take nine to ten, as each adds a little less than 1/9.
    succeed(limit, 9, now_s=2.0)
    assert limit.limit == 9
    succeed(limit, 1, now_s=2.0)
    assert limit.limit == 10


def test_calls_under_way_at_a_decrease_cause_no_second_one() -> None:
    limit = AimdLimit(initial=20)
    for began_s in (0.0, 0.5, 0.9):
        drop(limit, began_s=began_s, now_s=1.0)
    assert limit.limit == 18
    drop(limit, began_s=0.99, now_s=3.0)
    assert limit.limit == 18
    drop(limit, began_s=1.01, now_s=3.0)
    assert limit.limit == 16


def test_it_does_not_grow_while_less_than_half_is_in_use() -> None:
    limit = AimdLimit(initial=10)
    succeed(limit, 100, inflight=4)
    assert limit.limit == 10
    succeed(limit, 1, inflight=5)
    assert limit.limit == 11


def test_it_stays_within_its_bounds() -> None:
    limit = AimdLimit(initial=3, limit_min=2, limit_max=5)
    succeed(limit, 100)
    assert limit.limit == 5
    for now_s in range(1, 20):
        drop(limit, began_s=now_s, now_s=float(now_s))
    assert limit.limit == 2


def test_a_clock_that_goes_back_does_not_keep_the_limit_up() -> None:
    limit = AimdLimit(initial=20)
    drop(limit, began_s=1000.0, now_s=1000.0)
    drop(limit, began_s=1.0, now_s=1.0)
    assert limit.limit == 16


@pytest.mark.parametrize(
    "terms",
    [
        {"initial": 0},
        {"limit_min": 0},
        {"initial": 5, "limit_min": 6},
        {"initial": 5, "limit_max": 4},
        {"backoff": 0.0},
        {"backoff": 1.0},
        {"backoff": float("nan")},
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="it "):
        AimdLimit(**terms)  # type: ignore[arg-type]
