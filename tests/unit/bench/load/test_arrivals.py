"""Schedules: functions of their seed, in order, of the rate and the burstiness that was asked."""

from itertools import pairwise
from statistics import mean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bench.load.arrivals import send_times
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import (
    Arrivals,
    Clients,
    Closed,
    Constant,
    Gamma,
    Modulated,
    Phase,
    Poisson,
)

DRAWN = (Constant(), Poisson(), Gamma(cv=3.0), Modulated(period_s=5.0), Clients(count=20))


def phase(arrivals: Arrivals, *, rate: float = 50.0, seconds: float = 100.0) -> Phase:
    return Phase(
        name="p",
        kind="load",
        seconds=seconds,
        users=10,
        per_user_per_min=rate * 6,
        arrivals=arrivals,
    )


def gaps(times: list[float]) -> list[float]:
    return [later - sooner for sooner, later in pairwise(times)]


@pytest.mark.parametrize("arrivals", DRAWN, ids=lambda a: type(a).__name__)
@given(seed=st.integers(0, 2**40), rate=st.floats(0.5, 80), seconds=st.floats(0.5, 30))
def test_times_are_in_order_within_the_phase_and_follow_from_the_seed(
    arrivals: Arrivals, seed: int, rate: float, seconds: float
) -> None:
    wanted = phase(arrivals, rate=rate, seconds=seconds)
    times = list(send_times(wanted, seed))
    assert times == sorted(times)
    assert all(0 <= at_s < seconds + 1e-9 for at_s in times)
    assert times == list(send_times(wanted, seed))


def test_constant_arrivals_are_even() -> None:
    assert list(send_times(phase(Constant(), rate=4, seconds=1), 1)) == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("arrivals", DRAWN, ids=lambda a: type(a).__name__)
def test_the_rate_is_what_was_asked(arrivals: Arrivals) -> None:
    counts = [len(send_times(phase(arrivals), seed)) for seed in range(8)]
    # 5,000 expected; bursts of a CV of 3 vary the mean of eight by 4 %.
    assert mean(counts) == pytest.approx(5000, rel=0.15)


@pytest.mark.parametrize(("arrivals", "cv"), [(Poisson(), 1.0), (Gamma(cv=0.5), 0.5)])
def test_gaps_are_as_bursty_as_was_asked(arrivals: Arrivals, cv: float) -> None:
    found = gaps(list(send_times(phase(arrivals), 7)))
    assert pstdev(found) / mean(found) == pytest.approx(cv, rel=0.1)


def test_a_rate_that_swings_is_high_first_and_low_then() -> None:
    times = send_times(phase(Modulated(swing=0.9, period_s=100.0)), 3)
    rising = sum(at_s < 50 for at_s in times)
    assert rising > 2 * (len(times) - rising)


def test_a_few_clients_make_most_of_the_rate() -> None:
    even = gaps(list(send_times(phase(Poisson()), 5)))
    uneven = gaps(list(send_times(phase(Clients(count=20, skew=2.0, cv_max=8.0)), 5)))
    assert pstdev(uneven) / mean(uneven) > 1.2 * pstdev(even) / mean(even)


def test_what_does_not_fit_into_memory_is_refused() -> None:
    with pytest.raises(PlanInvalid, match="are the most"):
        send_times(phase(Poisson(), rate=1e5, seconds=1000), 1)


def test_a_closed_loop_has_no_schedule() -> None:
    with pytest.raises(TypeError, match="no times"):
        send_times(phase(Closed()), 1)
