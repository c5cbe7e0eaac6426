"""The simulated overload: the same calls for every way, and what a reaction makes of them."""

from itertools import chain, pairwise

import pytest
from benchmarks.flow import slo_case
from benchmarks.flow.slo_case import TROUBLES, Never, Trouble, course, figures
from benchmarks.flow.system import reaction
from benchmarks.flow.system.knee import KNEE_PER_S

HIGH = "high in time, %"


def test_trouble_comes_and_goes_when_it_is_said_to() -> None:
    steady, swinging = TROUBLES["2x for 10 min"], TROUBLES["2x, 1 min of 2"]
    assert not steady.is_on(slo_case.CALM_S - 1)
    assert steady.is_on(slo_case.CALM_S)
    assert not steady.is_on(slo_case.CALM_S + slo_case.TROUBLE_S)
    seen = [swinging.is_on(slo_case.CALM_S + at_s) for at_s in (0, 59, 60, 119, 120)]
    assert seen == [True, True, False, False, True]


def test_nothing_gives_way_without_trouble() -> None:
    found = figures(Trouble(), course(), 1)
    assert found["the share moved by, in all"] == 0
    assert found[HIGH] > 95  # whom the lots give a long time, no reaction helps


@pytest.mark.heavy
def test_those_who_matter_are_answered_in_time_and_the_rest_is_let_in_again() -> None:
    trouble = TROUBLES["2x for 10 min"]
    with_it, without = figures(trouble, course(), 301), figures(trouble, Never(), 301)
    assert without[HIGH] < 5
    assert with_it[HIGH] > 70
    assert with_it["share is 0 after, s"] < slo_case.AFTER_S
    assert with_it == figures(trouble, course(), 301)


def test_the_real_run_sends_its_calls_in_order_and_twice_as_many_in_the_middle() -> None:
    usual, trouble, after = reaction.phases(3)
    times = [shot.at_s for shot in chain(usual, trouble, after)]
    assert all(a <= b for a, b in pairwise(times))
    assert usual[-1].at_s < reaction.BEFORE_S <= trouble[0].at_s
    per_s = len(trouble) / reaction.DURING_S
    assert per_s == pytest.approx(2 * KNEE_PER_S, rel=0.15)
