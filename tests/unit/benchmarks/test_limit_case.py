"""The simulated server and what is read off an experiment with it."""

from math import inf

import pytest
from benchmarks.flow.limit_case import Goal, overload, settled_s, steps
from benchmarks.flow.limit_world import Outcome, Plan, World
from benchmarks.flow.simulated_server import Job, ServerTerms, SharedServer

from headrace.flow.limit.fixed import FixedLimit

SHARES = ServerTerms(refuses=False, thrash=0.5)


def test_below_the_knee_calls_run_at_full_speed() -> None:
    server = SharedServer(SHARES, 2)
    assert server.offer(Job(1, 0.25, 1.0), 0.0)
    assert server.offer(Job(2, 0.5, 2.0), 0.0)
    ends = []
    while (now_s := server.next_s()) < inf:
        job, is_first = server.take(now_s)
        ends.append((now_s, job.number, is_first))
    assert ends == [(0.25, 1, True), (0.5, 2, True), (1.0, 1, False), (2.0, 2, False)]


def test_beyond_the_knee_they_share_what_is_left_of_it() -> None:
    server = SharedServer(SHARES, 1)
    server.offer(Job(1, 1.0, 1.0), 0.0)
    server.offer(Job(2, 2.0, 2.0), 0.0)
    # Two at a knee of one: half each, and of that 1 / (1 + 0.5): a third.
    assert server.next_s() == pytest.approx(3.0)
    server.take(server.next_s())
    server.take(server.next_s())
    assert server.running == 1
    assert server.next_s() == pytest.approx(4.0)  # the second had one of its two seconds


def test_who_hangs_up_makes_room() -> None:
    server = SharedServer(SHARES, 1)
    first, second = Job(1, 1.0, 1.0), Job(2, 1.0, 1.0)
    server.offer(first, 0.0)
    server.offer(second, 0.0)
    server.withdraw(first, 1.5)
    assert server.next_s() == pytest.approx(2.0)
    assert server.take(2.0) == (second, True)


def test_the_other_kind_refuses_and_keeps_its_pace() -> None:
    server = SharedServer(ServerTerms(refuses=True), 2)
    assert server.offer(Job(1, 1.0, 1.0), 0.0)
    assert server.offer(Job(2, 1.0, 1.0), 0.0)
    assert not server.offer(Job(3, 1.0, 1.0), 0.0)
    server.change(1, 0.5)
    assert server.next_s() == 1.0


def test_every_call_has_one_end() -> None:
    plan = Plan(
        terms=ServerTerms(refuses=True),
        capacities=((0.0, 5), (10.0, 2)),
        rate_per_s=40.0,
        seconds=30.0,
    )
    end = World(plan, FixedLimit(3), seed=3).run()
    assert end.refused > 0
    assert end.turned_away > 0
    ended = end.good + end.refused + end.late + end.turned_away
    assert 0 <= end.arrived - ended <= 3 + 40  # under way or waiting at the end
    assert end == World(plan, FixedLimit(3), seed=3).run()
    assert end != World(plan, FixedLimit(3), seed=4).run()


def test_without_a_limit_overload_is_collapse_and_with_one_it_is_not() -> None:
    found = overload(
        2.0, {"fixed 20": lambda: FixedLimit(20), "none": lambda: FixedLimit(10**6)}, [1]
    )
    name = "goodput of the best, 2x the knee"
    assert found["fixed 20"][0][name] > 0.95
    assert found["none"][0][name] < 0.1


def test_a_limit_that_knows_the_capacity_is_not_refused_until_it_changes() -> None:
    figures = steps({"fixed 5": lambda: FixedLimit(5)}, [1])["fixed 5"][0]
    assert figures["refused by the provider, % of sent"] == 0
    assert figures["seconds to settle at 5"] == 0
    assert figures["seconds to settle at 20"] == 30


def test_settled_is_when_two_seconds_are_near() -> None:
    limits = [20] * 300 + [20] * 30 + [5] * 600
    end = Outcome(0, 0, 0, 0, 0, 0, (), limits)
    # From 2.7 s on three tenths at most are of the 20: 6.75, 6 where two are: 6.5 is too much.
    assert settled_s(end, 30.0, 5) == 2.9


def test_a_goal_says_what_it_is() -> None:
    assert str(Goal(least=0.9)) == ">= 0.9"
    assert str(Goal(most=3.0)) == "<= 3"
