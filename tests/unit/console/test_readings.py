"""What the metrics come to: percentiles, shares and rates that a person can check by hand."""

import json
from typing import Any

import pytest

from headrace.clock import ManualClock
from headrace.console.overview import EVERY_S, KEPT_S, Overview
from headrace.console.readings import quantiles_ms
from headrace.model import Usage
from headrace.observe.cells import Cells, SharedCells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics

BOUNDS = (0.1, 0.2, 1.0)


class SetClock(ManualClock):
    """Somebody sets its wall clock."""

    set_by_s = 0.0

    def wall_s(self) -> float:
        return super().wall_s() + self.set_by_s


class CountedCells(Cells):
    """Counts who looks at them."""

    looks = 0

    def rows(self) -> list[list[float]]:
        self.looks += 1
        return super().rows()


def told(overview: Overview, after_s: float = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(overview.told(after_s))
    return document


def test_percentiles_lie_within_their_bucket():
    assert quantiles_ms([100, 0, 0, 0], BOUNDS) == {"p50": 50, "p95": 95, "p99": 99}
    assert quantiles_ms([0, 50, 50, 0], BOUNDS) == {"p50": 200, "p95": 920, "p99": 984}


def test_of_nothing_there_are_none_and_what_is_above_all_is_the_last_bound():
    assert quantiles_ms([0, 0, 0, 0], BOUNDS) is None
    assert quantiles_ms([], BOUNDS) is None
    assert quantiles_ms([0, 0, 0, 3], BOUNDS) == {"p50": 1000, "p95": 1000, "p99": 1000}


def test_rates_shares_and_savings_of_all_workers():
    layout, clock = Layout(), SetClock()
    board = SharedCells(2, layout.size)
    board.slots.assign(["openai"])
    first, second = (Metrics(layout, board.row(at), board.slots, clock) for at in range(2))
    overview = Overview(board, layout, clock)
    told(overview)
    clock.advance(2)
    clock.set_by_s = -86_400.0  # which changes no rate
    for _ in range(3):
        first.request_done("chat", 200, "miss", 0.3)
        second.request_done("messages", 200, "l1", 0.0002)
        second.saved("l1", Usage(input_tokens=10, output_tokens=5), 0.25, 1.5)
    second.request_done("chat", 503, "none", 0.3)
    second.request_done("chat", 429, "none", 0.3)
    second.request_done("chat", 499, "miss", 0.3)  # the client went: nobody's fault
    first.request_done("admin", 500, "none", 9.0)  # the console's own requests do not count
    seen = told(overview)
    totals, (point,) = seen["totals"], seen["series"]
    assert totals["requests"] == 9
    assert totals["by_cache"] == {"l1": 3, "miss": 4, "none": 2}
    assert (totals["failed"], totals["refused"]) == (1, 1)
    assert totals["hit_share"] == pytest.approx(3 / 7, abs=1e-4)
    assert totals["saved_usd"]["l1"] == 0.75
    assert totals["saved_s"] == 4.5
    assert totals["workers"] == 2
    assert point["requests_per_s"] == 4.5  # looked at every two seconds
    assert 250 <= point["latency_ms"]["p95"] <= 450
    (lane,) = totals["providers"]
    assert (lane["name"], lane["duration_ms"]) == ("openai", None)


def test_points_are_told_once_and_kept_for_ten_minutes():
    layout, clock = Layout(), ManualClock()
    overview = Overview(Cells(layout.size), layout, clock)
    assert told(overview)["series"] == []
    for _ in range(400):
        clock.advance(EVERY_S)
        seen = told(overview)
    series = seen["series"]
    assert series[-1]["at"] == seen["now"]
    assert seen["now"] - KEPT_S <= series[0]["at"] < seen["now"] - KEPT_S + 2 * EVERY_S
    assert [each["at"] for each in told(overview, series[-3]["at"])["series"]] == [
        each["at"] for each in series[-2:]
    ]
    assert told(overview, float("nan"))["series"] == []


def test_tables_are_of_ten_minutes_or_since_the_start():
    layout, clock = Layout(), ManualClock()
    board = Cells(layout.size)
    metrics = Metrics(layout, board.row(), board.slots, clock)
    overview = Overview(board, layout, clock)
    clock.advance(5)
    metrics.request_done("chat", 200, "miss", 70.0)
    first = told(overview)["totals"]
    assert (first["of_s"], first["latency_ms"]["p50"] > 40_000) == (5, True)
    for _ in range(400):
        clock.advance(EVERY_S)
        metrics.request_done("chat", 200, "miss", 0.3)
        totals = told(overview)["totals"]
    assert KEPT_S <= totals["of_s"] <= KEPT_S + 60
    assert totals["latency_ms"]["p99"] < 1000


def test_fifty_who_watch_cost_no_more_looks_than_one_and_nobody_none():
    layout, clock = Layout(), ManualClock()
    board = CountedCells(layout.size)
    overview = Overview(board, layout, clock)
    for looks in (1, 2, 3):
        answers = {overview.told(0) for _ in range(50)}
        assert (board.looks, len(answers)) == (looks, 1)
        clock.advance(EVERY_S)
    clock.advance(3600)
    assert board.looks == 3


def test_who_comes_after_a_while_begins_new_curves():
    layout, clock = Layout(), ManualClock()
    overview = Overview(Cells(layout.size), layout, clock)
    for _ in range(3):
        told(overview)
        clock.advance(EVERY_S)
    clock.advance(3600)
    assert told(overview)["series"] == []
    clock.advance(EVERY_S)
    assert len(told(overview)["series"]) == 1
