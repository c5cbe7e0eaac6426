"""What a gate shows, and its status."""

import io

import pytest
from rich.console import Console

from headrace.bench.gate.budgets import Budget, Budgets
from headrace.bench.gate.history import Change
from headrace.bench.gate.judge import Judged, Outcome
from headrace.bench.gate.overhead import Added, Overhead
from headrace.bench.gate.yardsticks import Yardsticks
from headrace.bench.statistics.figures import Interval
from headrace.bench.statistics.question import Question
from headrace.bench.trials.trial import Trial
from headrace.cli.gate_run import Told, status_of, told_of
from headrace.cli.gate_view import show, show_changes, show_lost, show_overheads


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


WANTED = Budgets(
    name="mine",
    budgets=(
        Budget(name="hit", metric="p50_ms", at_most={"nginx": 2.0, "loop": 9.0}),
        Budget(name="import", metric="import_cpu_ms", at_most={"bare": 20.0}),
    ),
)
STICKS = {block: Yardsticks(100.0, 10.0, 10.0, 90.0 + block) for block in range(4)}


def tried(arm: str, block: int, why: str | None = None, *, is_void: bool = False) -> Trial:
    figure = 1.0 + block / 100 if why is None else None
    return Trial(arm=arm, block=block, metrics={"p50_ms": figure}, why=why, is_void=is_void)


def told(
    trials: list[Trial],
    sticks: dict[int, Yardsticks] = STICKS,
    questions: tuple[Question, ...] = (),
    arms: tuple[str, ...] = ("now", "nginx"),
) -> Told:
    return told_of(WANTED, questions, arms, trials, sticks)


def test_a_version_that_never_answers_fails() -> None:
    trials = [tried("nginx", block) for block in range(4)]
    found = told([*trials, *(tried("now", block, "it died") for block in range(4))])
    assert {one.outcome for one in found.budgets} == {"inconclusive", "pass"}
    assert status_of(found) == 1
    out = io.StringIO()
    show_lost(Console(file=out, width=120), found.lost)
    assert out.getvalue().startswith("FAILED: this version failed in every block")
    assert "it died" in out.getvalue()


def test_one_that_failed_in_some_blocks_or_by_a_late_client_is_open() -> None:
    nginx = [tried("nginx", block) for block in range(4)]
    some = [tried("now", block, "it died" if block else None) for block in range(4)]
    late = [tried("now", block, "void: late", is_void=True) for block in range(4)]
    assert [status_of(told([*nginx, *own])) for own in (some, late)] == [3, 3]


def test_yardsticks_that_fail_in_every_block_fail_the_gate() -> None:
    trials = [tried(arm, block) for block in range(4) for arm in ("nginx", "now")]
    found = told(trials, sticks={})
    assert status_of(found) == 1
    assert "import" in found.lost[0]
    assert status_of(told(trials, sticks={0: STICKS[0]})) == 3


@pytest.mark.parametrize("broken", ["nginx", "direct"])
def test_a_yardstick_that_fails_leaves_open_what_is_held_against_it(broken: str) -> None:
    arms = ("now", "nginx", "direct")
    trials = [
        tried(arm, block, "it died" if arm == broken else None)
        for block in range(4)
        for arm in arms
    ]
    wanted = Budgets(
        name="mine",
        budgets=(
            Budget(name="hit", metric="p50_ms", at_most={"nginx": 2.0}),
            Budget(name="added", metric="p50_overhead_ms", at_most={"nginx": 2.0}),
            Budget(name="import", metric="import_cpu_ms", at_most={"bare": 20.0}),
        ),
    )
    found = told_of(wanted, (), arms, trials, STICKS)
    outcomes = {one.budget.name: one.outcome for one in found.budgets}
    assert outcomes["added"] == "inconclusive"
    assert outcomes["hit"] == ("inconclusive" if broken == "nginx" else "pass")
    assert outcomes["import"] == "pass"
    assert [one.nginx for one in found.overheads] == ([None] if broken == "nginx" else [])
    assert (status_of(found), found.lost) == (3, ())


def test_what_is_added_is_told_in_milliseconds() -> None:
    out = io.StringIO()
    added = Added(0.4123, Interval(0.39, 0.43))
    told = Overhead(metric="alone.p50_ms", direct_ms=0.151, gateway=added, nginx=None)
    show_overheads(Console(file=out, width=160), [told])
    assert out.getvalue().strip() == (
        "alone.p50_ms: 0.151 ms by the provider itself; this version adds 0.412 ms (0.390 to 0.430)"
    )


@pytest.mark.parametrize("made", [[], ["nginx"], ["now"], ["then", "nginx"]])
def test_one_that_was_interrupted_in_the_first_block_tells_what_there_is(made: list[str]) -> None:
    trials = [tried(arm, 0) for arm in made]
    questions = (Question(metric="p50_ms"),)
    found = told(trials, questions=questions, arms=("now", "then", "nginx"))
    assert {one.outcome for one in found.budgets} == {"inconclusive"}
    assert [one.verdict for one in found.against] == ["insufficient"]
    assert found.lost == ()
