"""What a phase comes to: whom its figures are of, for which seconds, and when they are void."""

import pytest
from tests.support.benching import make_phase

from headrace.bench.load.call import Call, Outcome
from headrace.bench.load.plan import Arrivals, Closed, Good, Phase, Poisson
from headrace.bench.load.summary import Summary, quantiles, summarise
from headrace.bench.load.tally import Tally
from headrace.bench.load.workload import KINDS

STREAM = KINDS.index("stream")
START_S = 100.0


def ended(
    at_s: float,
    took_s: float,
    outcome: Outcome = "ok",
    *,
    lag_s: float = 0.0,
    first_s: float | None = None,
) -> Call:
    """A stream that should have been sent so long after the start, and what became of it."""
    call = Call(0, STREAM, b"", START_S + at_s, 30.0)
    call.begun_s = call.intended_s + lag_s
    call.first_s = None if first_s is None else call.intended_s + first_s
    call.tokens = 0 if first_s is None else 2
    call.ended_s = call.intended_s + took_s
    call.outcome = outcome
    return call


def summary_of(*calls: Call, gaps_s: tuple[float, ...] = (), **fields: object) -> Summary:
    phase: Phase = make_phase(**{"seconds": 5.0, "arrivals": Poisson(), **fields})
    tally = Tally(phase, START_S, Good(e2e_ms=400), rows_max=1000, seed=1)
    for call in calls:
        tally.book(call)
    for gap_s in gaps_s:
        tally.gap(gap_s)
    return summarise(phase, [tally.count()], lag_share=0.1)[0]


def calls(count: int = 50, took_s: float = 0.1) -> list[Call]:
    return [ended(5.0 * n / count, took_s, first_s=took_s / 2) for n in range(count)]


def test_one_that_hangs_is_one_that_failed_and_no_slower_minute() -> None:
    told = summary_of(*calls(), ended(4.0, 30.0, "timeout"))
    assert told.throughput_per_s == pytest.approx(50 / 5)
    assert told.good_per_s == pytest.approx(50 / 5)
    assert told.failed == 1


def test_what_comes_late_makes_throughput_less_and_leaves_good_ones_what_they_were() -> None:
    told = summary_of(*calls(), ended(4.0, 6.0, first_s=0.1))
    assert told.throughput_per_s == pytest.approx(51 / 10)
    assert told.good_per_s == pytest.approx(50 / 5)


def test_a_closed_loop_has_no_schedule_to_count_seconds_by() -> None:
    told = summary_of(*calls(), ended(4.0, 6.0, first_s=0.1), arrivals=Closed())
    assert told.good_per_s == pytest.approx(50 / 10)


def test_streams_that_failed_have_no_first_token_in_all_time() -> None:
    told = summary_of(*calls(80), *(ended(1.0, 2.0, "timeout") for _ in range(20)))
    assert (told.ttft.count, told.ttft.p95_ms) == (80, pytest.approx(50.0))
    assert (told.ttft_strict.count, told.ttft_strict.p95_ms) == (100, None)
    assert told.ttft_strict.p50_ms == pytest.approx(50.0)


def test_the_ninth_of_ten_is_told() -> None:
    """A tenth of ten is one, but not in floats."""
    assert quantiles([n / 1000 for n in range(1, 11)]).p90_ms == pytest.approx(9.0)
    assert quantiles([n / 1000 for n in range(1, 10)]).p90_ms is None


def test_a_tail_of_few_gaps_is_not_told_and_none_is_longer_than_the_longest() -> None:
    few, many = (summary_of(*calls(), gaps_s=(0.0203,) * count).gaps for count in (3, 200))
    assert (few.p50_ms, few.p95_ms, few.p99_ms) == (pytest.approx(20.3), None, None)
    assert many.p99_ms == pytest.approx(20.3, rel=0.01)
    assert many.p999_ms is None
    assert many.p99_ms <= (many.max_ms or 0.0)


@pytest.mark.parametrize(
    ("lag_s", "outcome", "arrivals", "is_void"),
    [
        (0.001, "ok", Poisson(), False),
        (0.05, "ok", Poisson(), True),
        (0.05, "ok", Closed(), False),
        (0.05, "timeout", Poisson(), False),
        (29.0, "timeout", Poisson(), True),
    ],
)
def test_a_client_that_was_late_makes_nothing_of_it_true(
    lag_s: float, outcome: Outcome, arrivals: Arrivals, *, is_void: bool
) -> None:
    late = [ended(n / 10, max(0.1, lag_s + 0.1), outcome, lag_s=lag_s) for n in range(50)]
    told = summary_of(*late, arrivals=arrivals, timeout_s=30.0)
    assert (told.void is not None) == is_void
