"""The experiments on the scheduler: the simulated world loses nobody, and figures are right."""

import math
from random import Random

import pytest
from benchmarks.flow.scheduler_case import Goal, _jain, _max_min
from benchmarks.flow.scheduler_world import (
    CAPACITY_PER_S,
    Fifo,
    MakeTurns,
    Outcome,
    Request,
    World,
    in_order,
    poisson,
    scheduler,
)

from headrace.cache.simulation.estimate import estimate


def requests(load: float, until_s: float = 20.0) -> list[Request]:
    return list(poisson(Random(1), CAPACITY_PER_S * load, until_s, tenant="a"))


@pytest.mark.parametrize("make", [scheduler, Fifo])
@pytest.mark.parametrize("load", [0.3, 3.0])
def test_everybody_is_served_or_refused_once(make: MakeTurns, load: float) -> None:
    asked = requests(load)
    outcomes = World(make).run(asked)
    assert [one.request for one in outcomes] == asked
    assert all(one.is_served or one.code for one in outcomes)
    assert all(one.wait_s >= 0.0 for one in outcomes)


def test_no_more_run_at_once_than_there_are_slots() -> None:
    outcomes = [one for one in World(scheduler).run(requests(3.0)) if one.is_served]
    began = [(one.at_s + one.wait_s, 1) for one in outcomes]
    ended = [(one.at_s + one.latency_s, -1) for one in outcomes]
    running = most = 0
    for _, step in sorted(began + ended, key=lambda each: (round(each[0], 9), each[1])):
        running += step
        most = max(most, running)
    assert most == CAPACITY_PER_S  # calls take a second on average


def test_who_is_refused_comes_again_once() -> None:
    outcomes = World(scheduler, lambda told_s: told_s).run(requests(4.0))
    refused = [one for one in outcomes if one.code and not one.is_return]
    assert refused
    assert len([one for one in outcomes if one.is_return]) == len(refused)


def test_requests_come_in_order() -> None:
    asked = in_order(requests(1.0), requests(0.5))
    assert [one.at_s for one in asked] == sorted(one.at_s for one in asked)


def test_a_fair_share_is_what_is_asked_or_an_equal_part_of_the_rest() -> None:
    assert _max_min({"a": 100, "b": 2, "c": 10}, 20) == {"b": 2, "c": 9, "a": 9}


def test_jains_index_tells_fair_from_unfair() -> None:
    def outcomes(served: dict[str, int]) -> list[Outcome]:
        return [
            Outcome(Request(0.0, tenant, 1.0), 0.0, code="" if number < count else "full")
            for tenant, count in served.items()
            for number in range(10)
        ]

    assert _jain(outcomes({"a": 5, "b": 5})) == pytest.approx(1.0)
    assert _jain(outcomes({"a": 10, "b": 0})) == pytest.approx(0.5)


@pytest.mark.parametrize(("values", "holds"), [((0.9, 1.0), False), ((1.0, 1.0), True)])
def test_a_goal_is_kept_where_the_whole_interval_is(
    values: tuple[float, ...], *, holds: bool
) -> None:
    assert Goal(least=0.95).holds(estimate(values)) is holds
    assert Goal(most=math.inf).holds(estimate(values))
