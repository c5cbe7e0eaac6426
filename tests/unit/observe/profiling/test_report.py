"""The page says what was measured, and what stands in it is text."""

import re

from headrace.observe.profiling.allocations import Allocation, Allocations
from headrace.observe.profiling.report import Report, render
from headrace.observe.profiling.stacks import Profile
from headrace.observe.profiling.told import LAG, STAGES, times

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
BEFORE = """# TYPE headrace_stage_duration_seconds histogram
headrace_stage_duration_seconds_bucket{stage="send",le="0.1"} 10
headrace_stage_duration_seconds_bucket{stage="send",le="0.2"} 10
headrace_stage_duration_seconds_bucket{stage="send",le="+Inf"} 10
headrace_stage_duration_seconds_sum{stage="send"} 1.0
headrace_stage_duration_seconds_count{stage="send"} 10
headrace_loop_lag_seconds_bucket{le="0.001"} 4
headrace_loop_lag_seconds_bucket{le="+Inf"} 4
headrace_loop_lag_seconds_sum 0.002
"""
AFTER = """headrace_stage_duration_seconds_bucket{stage="send",le="0.1"} 60
headrace_stage_duration_seconds_bucket{stage="send",le="0.2"} 110
headrace_stage_duration_seconds_bucket{stage="send",le="+Inf"} 110
headrace_stage_duration_seconds_sum{stage="send"} 13.0
headrace_stage_duration_seconds_bucket{stage="route",le="0.1"} 3
headrace_stage_duration_seconds_bucket{stage="route",le="+Inf"} 4
headrace_stage_duration_seconds_sum{stage="route"} 0.4
headrace_loop_lag_seconds_bucket{le="0.001"} 4
headrace_loop_lag_seconds_bucket{le="+Inf"} 4
headrace_loop_lag_seconds_sum 0.002
nonsense{ 12
"""


def test_times_are_those_between_two_readings() -> None:
    send, route = times(BEFORE, AFTER, STAGES, "stage")
    assert (send.name, send.count) == ("send", 100)
    assert (round(send.mean_s, 9), round(send.p50_s, 9), round(send.p99_s, 9)) == (0.12, 0.1, 0.198)
    # What is beyond the last bound is told as that bound.
    assert (route.name, route.count, route.p99_s) == ("route", 4, 0.1)
    assert times(BEFORE, AFTER, LAG) == []
    assert times("", "", LAG) == []


def test_whatever_stands_in_a_page_is_text() -> None:
    profile = Profile({(EVIL, "main"): 3, ("main", EVIL): 7}, 1.0, 100, EVIL)
    page = render(
        Report(
            profile=profile,
            facts={EVIL: EVIL},
            before=profile,
            stages=times("", AFTER.replace("route", "a<b>"), STAGES, "stage"),
            allocations=Allocations(1, 5.0, 10, 20, [Allocation(EVIL, 10, 1)]),
        )
    )
    assert page.count("<script") == 2
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "a&lt;b&gt;" in page


def test_a_page_needs_nothing_else() -> None:
    page = render(Report(profile=Profile({("main",): 3}, 1.0, 100, "a run"), facts={}))
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=|url\(|@import|fetch\(", page)
    assert "<noscript>" in page
    assert "What changed" not in page
    assert "What is allocated" not in page
