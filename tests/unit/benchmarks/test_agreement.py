"""Who measures the same agrees, and who does not is told."""

from pathlib import Path

import pytest
from benchmarks.agreement import METRICS, medians_of, told, write_trace
from benchmarks.processes import ChildFailed

from headrace.bench.load.plan import Trace
from headrace.bench.load.traces import read_trace

OWN = {"TTFT": 100.0, "E2E": 200.0, "TPOT": 10.0}


@pytest.mark.parametrize(
    ("judged", "is_kept"),
    [
        ({}, True),
        ({"TTFT": 104.9, "E2E": 190.1}, True),
        ({"TTFT": 106.0}, False),
        ({"E2E": 188.0}, False),
        ({"TPOT": 20.0}, True),  # told, and not promised: tokens are counted by others
    ],
)
def test_medians_are_held_against_the_promise(judged: dict[str, float], is_kept: bool) -> None:
    lines, found = told([(OWN, {**OWN, **judged})] * 3)
    assert found is is_kept
    assert ("**missed**" in "".join(lines)) is not is_kept


def test_one_round_of_three_may_be_off() -> None:
    lines, is_kept = told([(OWN, OWN), (OWN, {**OWN, "E2E": 300.0}), (OWN, OWN)])
    assert is_kept
    assert "1.000, 1.500, 1.000" in "".join(lines)


def test_the_trace_is_one_that_both_replay(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    seconds = write_trace(path, 50, 10.0, seed=3)
    times, rows = read_trace(Trace(file=str(path)), seconds)
    assert len(times) == len(rows) == 50
    assert times[-1] <= seconds
    again = tmp_path / "again.jsonl"
    write_trace(again, 50, 10.0, seed=3)
    assert again.read_bytes() == path.read_bytes()


def test_the_judges_medians_count_only_where_every_request_succeeded() -> None:
    export: dict[str, object] = {metric: {"p50": OWN[name]} for name, metric in METRICS.items()}
    whole = {**export, "request_count": {"unit": "requests", "avg": 50.0}}
    assert medians_of(whole, 50) == OWN
    with pytest.raises(ChildFailed, match=r"50 of the judge's 60 succeeded: .*refused"):
        medians_of({**whole, "error_summary": [{"count": 10, "message": "refused"}]}, 60)
    with pytest.raises(ChildFailed, match="0 of the judge's 50"):
        medians_of(export, 50)
