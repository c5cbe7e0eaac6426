"""The table of the shipped plans says what the records say."""

import argparse
from pathlib import Path

import pytest
from benchmarks.plans import rows, run, status
from benchmarks.processes import ChildFailed
from tests.support.benching import make_phase, make_plan, make_record, make_summary

from headrace.bench.records import PhaseRecord, RunRecord, Verdict, append


def record(*kept: bool | None, void: str | None = None) -> RunRecord:
    verdicts = tuple(
        Verdict(name="hit_share", limit=0.85, measured=0.9, is_kept=each, note="so")
        for each in kept
    )
    phase = make_phase(seconds=30.0)
    told = PhaseRecord(phase=phase, summary=make_summary(), verdicts=verdicts)
    return make_record(plan=make_plan(phase), phases=(told,), void=void)


def test_a_verdict_is_a_row() -> None:
    head, row = rows("instant", record(True))
    assert "`test`, one, provider `instant`" in head
    assert "10 users, 2,000 requests/min for 30 s, p50 10 ms, p99 90 ms" in head
    assert row.endswith("`hit_share` | 90.00% | >= 85.00% | held: so |")


def test_what_a_late_client_measured_is_void_but_for_what_has_no_times() -> None:
    verdicts = tuple(
        Verdict(name=name, limit=1.0, measured=0.5, is_kept=True) for name in ("p95_ms", "rss_mb")
    )
    phase, summary = make_phase(), make_summary(void="the client was late")
    told = PhaseRecord(phase=phase, summary=summary, verdicts=verdicts)
    head, latency, memory = rows("real", make_record(plan=make_plan(phase), phases=(told,)))
    assert "the client was late" in head
    assert latency.endswith("| void |")
    assert memory.endswith("| held |")


def test_a_phase_without_promises_has_no_rows() -> None:
    assert rows("real", record()) == []


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([record(True)], 0),
        ([record(True), record(True, False)], 1),
        ([record(True), record(None)], 3),
        ([record(True, void="late")], 3),
        ([record(False, None)], 1),
    ],
)
def test_the_status_is_that_of_the_worst(records: list[RunRecord], expected: int) -> None:
    assert status(records) == expected


def test_a_plan_that_fails_is_not_told_by_the_record_before_it(tmp_path: Path) -> None:
    out = tmp_path / "runs.jsonl"
    append(out, record(True))
    given = argparse.Namespace(time=1.0, users=1.0, workers=1)
    with pytest.raises(ChildFailed, match="no-such-plan left no whole record"):
        run("no-such-plan", "instant", given, out)
