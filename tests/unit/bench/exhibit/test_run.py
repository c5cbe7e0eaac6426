"""What is made when time is short: all of everything, and as many parts as there is time for."""

import msgspec
import pytest

from headrace.bench.exhibit.arms import (
    ADAPTIVE,
    EXACT,
    FIXED,
    OFF,
    OFF_AGAIN,
    ON,
    arms_alone,
)
from headrace.bench.exhibit.plans import FULL, QUICK, Effort
from headrace.bench.exhibit.promises import overload_promises
from headrace.bench.exhibit.run import Stage, affordable, stages


def names(stage: Stage) -> list[str]:
    return [arm.name for arm in stage.arms]


def test_the_whole_has_a_control_and_every_part_alone() -> None:
    everything, day, overload = stages(FULL, 1)
    assert names(everything) == [OFF, OFF_AGAIN, ON]
    assert names(day)[:2] == [OFF, EXACT]
    assert len(day.arms) == 7
    assert names(overload) == [OFF, ADAPTIVE, FIXED]
    assert {stage.blocks for stage in (everything, day, overload)} == {10}


def test_in_short_there_are_pairs_enough_for_a_verdict() -> None:
    everything, *_ = stages(QUICK, 1)
    assert names(everything) == [OFF, ON]
    assert everything.blocks >= 6


def test_without_a_bound_nothing_is_left_out() -> None:
    everything, day, _ = stages(FULL, 1)
    assert affordable(day, FULL, 1e6, [everything]) == day


@pytest.mark.parametrize(("each_s", "arms"), [(1.0, 7), (2.0, 5), (20.0, 0)])
def test_what_there_is_no_time_for_is_left_out_from_the_end(each_s: float, arms: int) -> None:
    """Trials that took so many seconds beside their plan, and forty seconds that are left."""
    everything, day, _ = stages(QUICK, 1)
    elapsed_s = everything.trials * (each_s + everything.plan.seconds)
    effort = msgspec.structs.replace(QUICK, seconds_max=elapsed_s + 40.0)
    found = affordable(day, effort, elapsed_s, [everything])
    assert names(found) == names(day)[:arms]
    assert found.trials * (each_s + day.plan.seconds) <= 40.0


def test_one_arm_alone_is_compared_with_nothing() -> None:
    everything, day, _ = stages(QUICK, 1)
    elapsed_s = everything.trials * (1.0 + everything.plan.seconds)
    room = 1.5 * QUICK.pairs_alone * (1.0 + day.plan.seconds)
    effort = msgspec.structs.replace(QUICK, seconds_max=elapsed_s + room)
    assert affordable(day, effort, elapsed_s, [everything]).trials == 0
    spent = msgspec.structs.replace(QUICK, seconds_max=elapsed_s - 9.0)
    assert affordable(day, spent, elapsed_s, [everything]).trials == 0


@pytest.mark.parametrize("effort", [FULL, QUICK])
def test_limits_are_called_what_they_are_and_let_as_many_wait(effort: Effort) -> None:
    limits = {
        each.name: each.settings["providers"]["openai"]["limit"]
        for each in arms_alone(effort, "overload")
    }
    assert f"{limits[FIXED]['inflight_max']} calls at once" == FIXED
    assert limits[FIXED]["waiting_max"] == limits[ADAPTIVE]["waiting_max"]


def test_a_promise_of_a_limit_that_was_told_says_so() -> None:
    assert all("told in advance" in each.text for each in overload_promises(QUICK))
    assert not any("told in advance" in each.text for each in overload_promises(FULL))
