"""Service levels from the counters of all workers."""

from typing import Any

import pytest

from headrace.clock import ManualClock
from headrace.observe.cells import SharedCells
from headrace.observe.exposition import render
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.observe.slo_watch import SAMPLE_S, SloWatch
from headrace.settings.slos import Slo

LAYOUT = Layout()
UP = Slo(name="up", kind="availability", objective=0.9)
QUICK = Slo(name="quick", kind="latency", threshold_ms=500, objective=0.5)
BEGUN = Slo(name="begun", kind="ttft", threshold_ms=500, objective=0.5, window_days=1)


class Watched:
    """Two workers, of which the first watches."""

    def __init__(self, *slos: Slo) -> None:
        self.clock = ManualClock()
        self.board = SharedCells(2, LAYOUT.size)
        self.workers = [
            Metrics(LAYOUT, self.board.row(number), self.board.slots, self.clock)
            for number in range(2)
        ]
        self.watch = SloWatch(slos, LAYOUT, self.board, self.workers[0], self.clock)

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
        text = render(LAYOUT, self.board.rows()).decode()
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
    assert told["burn_rates"] == pytest.approx({"5m": 0.5, "1h": 0.5, "6h": 0.5})
    assert told["budget_left"] == pytest.approx(0.5)
    assert told["seen_s"] == SAMPLE_S


def test_what_refuses_a_caller_is_neither_good_nor_bad() -> None:
    watched = Watched(UP)
    watched.answer(429, 50)
    watched.answer(499, 50)
    assert watched.told()["answers"] == 0
    assert watched.told()["burn_rates"] == {"5m": None, "1h": None, "6h": None}
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
    assert told['headrace_slo_burn_rate{slo="1",window="5m"}'] == pytest.approx(1)
    assert told['headrace_slo_burn_rate{slo="2",window="6h"}'] == pytest.approx(0.2)
    assert told['headrace_slo_budget_used_ratio{slo="1"}'] == pytest.approx(1)


def test_a_level_that_is_gone_is_not_told_any_more() -> None:
    watched = Watched(QUICK, UP)
    watched.answer(500, 10, seconds=9)
    watched.after(SAMPLE_S)
    watched.watch.adopt((UP,))
    watched.after(SAMPLE_S)
    assert not [line for line in watched.lines() if 'slo="2"' in line]
    # What stays as it was remembers, though its number has changed.
    assert watched.told()["bad"] == 10


def test_where_nothing_is_declared_nothing_is_told() -> None:
    watched = Watched()
    watched.answer(500, 10)
    watched.after(SAMPLE_S)
    assert watched.watch.told() == {"data": []}
    assert not [line for line in watched.lines() if "{" in line]
