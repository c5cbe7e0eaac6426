"""What a gate shows, and its status."""

import io

import pytest
from rich.console import Console

from headrace.bench.gate.budgets import Budget
from headrace.bench.gate.history import Change
from headrace.bench.gate.judge import Judged, Outcome
from headrace.bench.statistics.figures import Interval
from headrace.cli.gate_run import Told, status_of
from headrace.cli.gate_view import show, show_changes


def judged(outcome: Outcome) -> Judged:
    return Judged(
        budget=Budget(name="hit, CPU [x]", metric="p50_ms", at_most={"nginx": 1.5}),
        yard="nginx",
        bar=1.5,
        measured=20.0,
        ratio=2.0,
        interval=Interval(1.8, 2.2),
        outcome=outcome,
        because="The whole interval is beyond the bar.",
    )


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        (("pass", "pass"), 0),
        (("pass", "inconclusive"), 3),
        (("inconclusive", "regress"), 1),
    ],
)
def test_only_what_is_certain_fails(outcomes: tuple[Outcome, ...], status: int) -> None:
    assert status_of(Told(tuple(map(judged, outcomes)), (), ())) == status


def test_a_budget_that_does_not_pass_says_why() -> None:
    out = io.StringIO()
    show(Console(file=out, width=120), [judged("regress")])
    told = " ".join(out.getvalue().split())
    assert "hit, CPU [x] regress 20 2.00 1.80 to 2.20 <= 1.5 nginx" in told
    assert "hit, CPU [x]: The whole interval is beyond the bar." in told


def test_where_the_history_broke_is_told_with_the_commit() -> None:
    out = io.StringIO()
    change = Change(name="hit / nginx", commit="abc", at=86_400.0, before=1.0, after=1.3)
    show_changes(Console(file=out, width=120), [change])
    assert out.getvalue().strip() == (
        "hit / nginx changed with abc on 1970-01-02: 1 to 1.3 (+30.0%)"
    )
