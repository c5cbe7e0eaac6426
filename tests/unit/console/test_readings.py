"""What the metrics come to: percentiles, shares and rates that a person can check by hand."""

import json
from typing import Any

import pytest

from headrace.clock import SystemClock
from headrace.console.overview import KEPT_MAX, Overview
from headrace.console.readings import quantiles_ms
from headrace.model import Usage
from headrace.observe.cells import Cells, SharedCells
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics

BOUNDS = (0.1, 0.2, 1.0)


class Clock(SystemClock):
    def __init__(self) -> None:
        self.now_s = 1000.0

    def wall_s(self) -> float:  # type: ignore[override]
        self.now_s += 2
        return self.now_s


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
    layout, clock = Layout(), Clock()
    board = SharedCells(2, layout.size)
    board.slots.assign(["openai"])
    first, second = (Metrics(layout, board.row(at), board.slots, clock) for at in range(2))
    overview = Overview(board, layout, clock)
    overview.look()
    for _ in range(3):
        first.request_done("chat", 200, "miss", 0.3)
        second.request_done("messages", 200, "l1", 0.0002)
        second.saved("l1", Usage(input_tokens=10, output_tokens=5), 0.25, 1.5)
    second.request_done("chat", 503, "none", 0.3)
    second.request_done("chat", 429, "none", 0.3)
    second.request_done("chat", 499, "miss", 0.3)  # the client went: nobody's fault
    first.request_done("admin", 500, "none", 9.0)  # the console's own requests do not count
    overview.look()
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
    layout = Layout()
    overview = Overview(Cells(layout.size), layout, Clock())
    assert told(overview)["series"] == []
    for _ in range(KEPT_MAX + 5):
        overview.look()
    series = told(overview)["series"]
    assert len(series) == KEPT_MAX
    assert [each["at"] for each in told(overview, series[-3]["at"])["series"]] == [
        each["at"] for each in series[-2:]
    ]
    assert told(overview, float("nan"))["series"] == []


def test_fifty_who_watch_cost_no_more_looks_than_one():
    class Counted(Cells):
        looks = 0

        def rows(self) -> list[list[float]]:
            self.looks += 1
            return super().rows()

    layout = Layout()
    board = Counted(layout.size)
    overview = Overview(board, layout, Clock())
    overview.look()
    overview.look()
    answers = {overview.told(0).split(b'"every_s"')[1] for _ in range(50)}
    assert (board.looks, len(answers)) == (2, 1)
