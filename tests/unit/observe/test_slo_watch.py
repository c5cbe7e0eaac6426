"""Service levels from the counters of all workers."""

from typing import Any

import msgspec
import pytest

from headrace.clock import ManualClock
from headrace.observe.cells import SharedCells
from headrace.observe.event_log import Level, Value
from headrace.observe.exposition import render
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.slo_burns import WINDOWS_S
from headrace.observe.slo_council import BEAT_S_MAX
from headrace.observe.slo_reaction import STEP_MAX
from headrace.observe.slo_watch import SAMPLE_S, SloWatch
from headrace.settings.slos import Reaction, Slo

LAYOUT = Layout()
UP = Slo(name="up", kind="availability", objective=0.9)
QUICK = Slo(name="quick", kind="latency", threshold_ms=500, objective=0.5)
BEGUN = Slo(name="begun", kind="ttft", threshold_ms=500, objective=0.5, window_days=1)


class Watched:
    """Two workers, of which the first, the elder, watches, unless the second is told to as well."""

    def __init__(self, *slos: Slo) -> None:
        self.clock = ManualClock()
        self.board = SharedCells(2, LAYOUT.size)
        self.board.slo_slots.assign(slo.name for slo in slos)
        self.said: list[tuple[str, str]] = []
        self.workers = [
            Metrics(LAYOUT, self.board.row(number), self.board.slots, self.clock)
            for number in range(2)
        ]
        self.watch = self.watcher(0, slos)

    def watcher(self, worker: int, slos: tuple[Slo, ...]) -> SloWatch:
        metrics = self.workers[worker]
        return SloWatch(slos, LAYOUT, self.board, worker, metrics, self.clock, self.say)

    def say(self, level: Level, event: str, about: str = "", **_: Value) -> None:
        self.said.append((event, about))

    def answer(self, status: int, count: int, seconds: float = 0.01, worker: int = 0) -> None:
        for _ in range(count):
            self.workers[worker].request_done("chat", status, "miss", seconds)

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.watch.tick()

    def told(self) -> dict[str, Any]:
        (one,) = self.watch.told()["data"]
        return one

    def lines(self) -> list[str]:
        text = render(LAYOUT, self.board.rows(), (), self.watch.names).decode()
        return [line for line in text.splitlines() if line.startswith("headrace_slo_")]


def test_answers_of_all_workers_count() -> None:
    watched = Watched(UP)
    watched.after(0)
    watched.answer(200, 90)
    watched.answer(502, 5, worker=1)
    watched.answer(200, 5, worker=1)
    watched.after(SAMPLE_S)
    told = watched.told()
    assert (told["answers"], told["bad"]) == (100, 5)
    assert told["burn_rates"] == pytest.approx(dict.fromkeys(WINDOWS_S, 0.5))
    assert told["budget_left"] == pytest.approx(0.5)
    assert told["seen_s"] == SAMPLE_S


def test_what_refuses_a_caller_is_neither_good_nor_bad() -> None:
    watched = Watched(UP)
    watched.answer(429, 50)
    watched.answer(499, 50)
    assert watched.told()["answers"] == 0
    assert watched.told()["burn_rates"] == dict.fromkeys(WINDOWS_S)
    assert watched.told()["budget_left"] == 1


def test_routes_that_ask_no_model_do_not_count() -> None:
    watched = Watched(UP)
    watched.workers[0].request_done("admin", 500, "none", 0.1)
    assert watched.told()["answers"] == 0


def test_a_fault_leaves_the_short_window_first() -> None:
    watched = Watched(UP)
    watched.after(0)
    watched.answer(500, 10)
    watched.after(SAMPLE_S)
    for _ in range(100):
        watched.answer(200, 1)
        watched.after(SAMPLE_S)
    rates = watched.told()["burn_rates"]
    assert rates["5m"] == 0
    assert rates["1h"] == rates["6h"] > 0


def test_latency_is_good_up_to_its_threshold() -> None:
    watched = Watched(QUICK)
    watched.answer(200, 3, seconds=0.5)
    watched.answer(200, 1, seconds=0.6)
    assert (watched.told()["answers"], watched.told()["bad"]) == (4, 1)
    assert watched.told()["burn_rates"]["5m"] == pytest.approx(0.5)


def test_an_error_that_comes_at_once_is_not_in_time() -> None:
    watched = Watched(QUICK)
    watched.answer(200, 1)
    watched.answer(502, 3)
    watched.answer(429, 5)
    assert (watched.told()["answers"], watched.told()["bad"]) == (4, 3)


def test_who_goes_away_counts_only_where_the_answer_was_late_by_then() -> None:
    watched = Watched(QUICK)
    watched.answer(499, 5, seconds=0.4)
    watched.answer(499, 2, seconds=0.6)
    assert (watched.told()["answers"], watched.told()["bad"]) == (2, 2)


def test_only_streams_count_for_their_beginning() -> None:
    watched = Watched(BEGUN)
    watched.answer(200, 3, seconds=9.0)
    watched.workers[1].stream_began("chat", 0.6)
    assert (watched.told()["answers"], watched.told()["bad"]) == (1, 1)
    assert watched.told()["budget_left"] == pytest.approx(-1)


def test_metrics_tell_the_same() -> None:
    watched = Watched(UP, QUICK)
    watched.answer(200, 9)
    watched.answer(500, 1, seconds=0.6)
    watched.after(SAMPLE_S)
    told = {
        line.split(" ")[0]: float(line.split(" ")[1]) for line in watched.lines() if "{" in line
    }
    assert told['headrace_slo_burn_rate{slo="up",window="5m"}'] == pytest.approx(1)
    assert told['headrace_slo_burn_rate{slo="quick",window="6h"}'] == pytest.approx(0.2)
    assert told['headrace_slo_budget_used_ratio{slo="up"}'] == pytest.approx(1)
    assert told['headrace_slo_budget_left_ratio{slo="quick"}'] == pytest.approx(0.8)


def test_a_level_that_is_gone_is_not_told_any_more() -> None:
    watched = Watched(QUICK, UP)
    watched.answer(500, 10, seconds=9)
    watched.after(SAMPLE_S)
    watched.watch.adopt((UP,))
    watched.after(SAMPLE_S)
    assert not [line for line in watched.lines() if 'slo="quick"' in line]
    # What stays as it was remembers, though it is another one of the list.
    assert watched.told()["bad"] == 10


def test_where_nothing_is_declared_nothing_is_told() -> None:
    watched = Watched()
    watched.answer(500, 10)
    watched.after(SAMPLE_S)
    assert watched.watch.told() == {"data": []}
    assert not [line for line in watched.lines() if "{" in line]


SHED = Reaction(action="shed", fast_s=20, slow_s=60, look_s=5)
SHEDS = Slo(name="up", kind="availability", objective=0.9, reaction=SHED)


def burning(watched: Watched, looks: int) -> list[float]:
    """The share after each look at nothing but errors."""
    shares = []
    for _ in range(looks):
        watched.answer(500, 30)
        watched.after(5)
        shares.append(watched.watch.shares(0).share)
    return shares


def test_what_burns_makes_calls_give_way_and_then_lets_go() -> None:
    watched = Watched(SHEDS)
    watched.after(0)
    shares = burning(watched, 20)
    assert shares == sorted(shares)
    assert shares[-1] == SHED.share_max
    assert max(b - a for a, b in zip([0, *shares], shares, strict=False)) <= STEP_MAX + 1e-9
    assert watched.said == [("slo_reaction", "up")]
    assert 'headrace_slo_reaction_share{slo="up"} 0.9' in watched.lines()
    told = watched.told()["reaction"]
    assert (told["action"], told["share"]) == ("shed", 0.9)
    for _ in range(40):
        watched.answer(200, 30)
        watched.after(5)
    assert watched.watch.shares(0).share == 0
    assert watched.said[-1] == ("slo_reaction_over", "up")
    assert 'headrace_slo_reaction_share{slo="up"} 0' in watched.lines()


def test_low_priority_gives_way_before_normal() -> None:
    watched = Watched(SHEDS)
    calls = watched.workers[1].slo_calls
    watched.after(0)
    seen = []
    for _ in range(12):
        calls.add(calls.at("low"), 20)
        calls.add(calls.at("batch"), 20)
        calls.add(calls.at("normal"), 60)
        calls.add(calls.at("high"), 300)
        burning(watched, 1)
        seen.append(watched.watch.shares(0))
    assert [each.normal > 0 for each in seen] == [each.share > 0.4 for each in seen]
    assert all(each.low == pytest.approx(min(each.share / 0.4, 1)) for each in seen)
    assert seen[-1].normal == pytest.approx((0.9 - 0.4) / 0.6)


def test_workers_agree_and_the_next_goes_on_where_the_eldest_died() -> None:
    watched = Watched(SHEDS)
    watched.clock.advance(1)
    second = watched.watcher(1, (SHEDS,))
    for _ in range(4):
        watched.answer(500, 30)
        watched.clock.advance(5)
        watched.watch.tick()
        second.tick()
    share = watched.watch.shares(0).share
    assert share == second.shares(0).share > 0
    # One of them tells: two would be added up, or the higher believed.
    told = [line for line in watched.lines() if "budget_used" in line and "{" in line]
    assert [float(line.split()[1]) for line in told] == pytest.approx([10])
    watched.clock.advance(BEAT_S_MAX + 1)
    LAYOUT.zero_gauges(watched.board.row(0))  # as the supervisor does for the dead
    second.tick()
    assert second.shares(0).share == share
    for _ in range(3):
        watched.answer(500, 30)
        watched.clock.advance(5)
        second.tick()
    assert second.shares(0).share > share
    successor = watched.watcher(0, (SHEDS,))
    assert successor.shares(0) == second.shares(0)
    watched.answer(500, 30)
    watched.clock.advance(5)
    before = second.shares(0)
    successor.tick()  # younger than the second: it is not to decide
    assert successor.shares(0) == before


def test_another_reaction_goes_on_from_the_same_share_and_none_ends_it() -> None:
    watched = Watched(SHEDS)
    watched.after(0)
    (*_, share) = burning(watched, 4)
    other = msgspec.structs.replace(SHED, action="degrade", share_max=0.5)
    watched.watch.adopt((msgspec.structs.replace(SHEDS, reaction=other),))
    assert watched.watch.shares(0).share == share
    assert watched.told()["bad"] == 120
    assert burning(watched, 3)[-1] == 0.5
    watched.watch.adopt((UP,))
    assert watched.watch.shares(0).share == 0
    assert watched.told()["reaction"] is None
    assert watched.told()["bad"] == 210


def test_what_was_counted_while_the_machine_slept_decides_nothing() -> None:
    watched = Watched(SHEDS)
    watched.after(0)
    (*_, share) = burning(watched, 4)
    watched.answer(500, 1000)
    watched.after(7200)
    assert watched.watch.shares(0).share == share
    watched.answer(200, 100)
    watched.after(5)
    assert watched.watch.shares(0).share < share


def test_a_few_bad_answers_of_a_gateway_that_is_hardly_asked_change_nothing() -> None:
    watched = Watched(SHEDS)
    watched.after(0)
    for _ in range(10):
        watched.answer(500, 1)
        watched.after(15)
    assert watched.watch.shares(0).share == 0
