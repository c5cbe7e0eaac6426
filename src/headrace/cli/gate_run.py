"""`headrace bench gate`: budgets held against yardsticks, and what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import typer
import uvloop

from headrace.bench.gate import budgets, history
from headrace.bench.gate.judge import Block, Judged, judged
from headrace.bench.gate.overhead import Overhead, is_overhead, latency_of, overhead, told_with
from headrace.bench.gate.yardsticks import YardstickLost, Yardsticks
from headrace.bench.load.plan import Plan
from headrace.bench.phases import plans
from headrace.bench.records import Environment, append, check_writable
from headrace.bench.statistics.chance import chance
from headrace.bench.statistics.comparison import compare_all
from headrace.bench.statistics.question import Comparison, Question
from headrace.bench.trials import nginx
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.commits import Commit, described
from headrace.bench.trials.metrics import is_higher_better, scale_of
from headrace.bench.trials.series import runs_of, whole_blocks
from headrace.bench.trials.trial import Conditions, Trial
from headrace.cli.bench_run import FAILED, INTERRUPTED, PASSED, UNUSABLE
from headrace.cli.bench_series import Wanted, made, show_failed
from headrace.cli.bench_view import make_console
from headrace.cli.gate_view import show, show_changes, show_lost, show_overheads
from headrace.cli.verdict_view import show as show_verdicts
from headrace.clock import SystemClock

_NOW: Final = "now"
_THEN: Final = "then"
_NGINX: Final = "nginx"
_DIRECT: Final = "direct"
_SEED: Final = 1


class GateWish(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed.

    Attributes:
        budgets: file of them.
        against: a commit that is measured too, and compared with.
        history: file of what gates came to.
        blocks: in place of the file's.
        json: whether it is wanted as JSON.
    """

    budgets: Path
    against: str | None
    history: Path | None
    blocks: int | None
    json: bool


class Told(msgspec.Struct, frozen=True):
    """Everything that a gate tells.

    Attributes:
        budgets: what became of each.
        against: answers about the other version, where one was asked for.
        changes: where figures of the history broke.
        lost: what failed in every block, and why: nothing was held against anything then.
        overheads: what this version and nginx add to latencies of the provider, where a budget is
            about that.
    """

    budgets: tuple[Judged, ...]
    against: tuple[Comparison, ...]
    changes: tuple[history.Change, ...]
    lost: tuple[str, ...] = ()
    overheads: tuple[Overhead, ...] = ()


def run(wish: GateWish) -> None:
    """`headrace bench gate`.

    Raises:
        SettingsInvalid: what was typed cannot be run.
        OSError: a file cannot be read or written; the figures have been shown by then.
        typer.Exit: always in the end, with the status.
    """
    document = budgets.read(wish.budgets)
    wanted = document.value
    plan = plans.parse(*plans.find(wanted.plan))
    budgets.check(document, plan)
    entries = []
    if wish.history is not None:
        entries = history.read(wish.history)
        check_writable(wish.history)
    arms = arms_of(wish, wanted)
    questions = questions_of(wanted) if wish.against is not None else ()
    blocks = wish.blocks or max(
        (wanted.blocks, *(question.runs_least(len(questions)) for question in questions))
    )
    trials, sticks, is_whole = _measured(arms, plan, blocks)
    told = told_of(wanted, questions, [arm.name for arm in arms], trials, sticks)
    entry = history.entry_of(told.budgets, SystemClock().wall_s(), described(Path.cwd()))
    if wish.history is not None:
        found = history.changes([*entries, entry], Environment.here())
        told = msgspec.structs.replace(told, changes=tuple(found))
    _show(told, trials, is_json=wish.json)
    if wish.history is not None and is_whole:
        append(wish.history, entry)
        typer.echo(f"headrace: added to {wish.history}", err=True)
    raise typer.Exit(status_of(told) if is_whole else INTERRUPTED)


def arms_of(wish: GateWish, wanted: budgets.Budgets) -> list[Arm]:
    """What is tried: this version, the other one, and what budgets want: nginx, and the provider.

    Raises:
        ArmInvalid: there is no such commit.
    """
    arms = [Arm(name=_NOW)]
    if wish.against is not None:
        arms.append(Arm(name=_THEN, commit=Commit.named(Path.cwd(), wish.against)))
    if nginx.is_installed() and any("nginx" in budget.bars for budget in wanted.budgets):
        arms.append(Arm(name=_NGINX, stands="nginx"))
    if any(is_overhead(budget.metric) for budget in wanted.budgets):
        arms.append(Arm(name=_DIRECT, stands="nothing"))
    return arms


def questions_of(wanted: budgets.Budgets) -> tuple[Question, ...]:
    """What is asked of this version and the other one."""
    names = dict.fromkeys(
        latency_of(each.metric) for each in wanted.budgets if each.metric != budgets.IMPORT
    )
    return tuple(
        Question(
            metric=name,
            better="higher" if is_higher_better(name) else "lower",
            margin=wanted.margin,
            scale=scale_of(name),
        )
        for name in names
    )


def status_of(told: Told) -> int:
    """1: a bar is broken, something is worse or lost; 3: something is open; 0: all is well."""
    outcomes = {one.outcome for one in told.budgets}
    verdicts = {one.verdict for one in told.against}
    if told.lost or "regress" in outcomes or "worse" in verdicts:
        return FAILED
    is_open = "inconclusive" in outcomes or verdicts & {"inconclusive", "insufficient"}
    return UNUSABLE if is_open else PASSED


def told_of(
    wanted: budgets.Budgets,
    questions: tuple[Question, ...],
    arms: Sequence[str],
    trials: Sequence[Trial],
    sticks: Mapping[int, Yardsticks],
) -> Told:
    """What the trials come to.

    Args:
        wanted: the budgets.
        questions: about this version and the other one; none where there is no other.
        arms: names of all that were to be tried, also of those whose turn did not come.
        trials: those that were made.
        sticks: what the machine took beside them, by block.
    """
    metrics = {(trial.arm, trial.block): trial.metrics for trial in trials}
    blocks = [
        Block(
            gateway=metrics[_NOW, block],
            nginx=metrics.get((_NGINX, block)),
            direct=metrics.get((_DIRECT, block)),
            sticks=sticks.get(block),
        )
        for block in whole_blocks(trials, arms)
    ]
    against: tuple[Comparison, ...] = ()
    if questions:
        found = {one.metric: runs_of(trials, (_THEN, _NOW), one.metric) for one in questions}
        runs = {metric: (each[_THEN], each[_NOW]) for metric, each in found.items()}
        against = compare_all(runs, questions, chance(_SEED))
    kept = tuple(judged(each, blocks, has_nginx=_NGINX in arms) for each in wanted.budgets)
    added = tuple(_added(blocks, told_with(each.metric for each in wanted.budgets)))
    return Told(kept, against, (), tuple(_lost(trials, sticks)), added)


def _added(blocks: Sequence[Block], latencies: Sequence[str]) -> Iterator[Overhead]:
    gateway = [block.gateway for block in blocks]
    nginx, direct = [block.nginx for block in blocks], [block.direct for block in blocks]
    for metric in latencies:
        found = overhead(metric, gateway, nginx, direct)
        if found is not None:
            yield found


def _lost(trials: Sequence[Trial], sticks: Mapping[int, Yardsticks]) -> Iterator[str]:
    own = [trial for trial in trials if trial.arm == _NOW]
    # A client that was late is the machine's fault, and leaves it open.
    if own and all(trial.why is not None and not trial.is_void for trial in own):
        yield f"this version failed in every block; in the last one: {own[-1].why}"
    if own and not sticks:
        yield "the yardsticks, the import of this version among them, failed in every block"


def _measured(
    arms: Sequence[Arm], plan: Plan, blocks: int
) -> tuple[Sequence[Trial], dict[int, Yardsticks], bool]:
    """All trials, what the machine took beside them, and whether nobody ended it before its end."""
    sticks: dict[int, Yardsticks] = {}

    def beside(trial: Trial) -> None:
        # Nothing else runs between two trials.
        if trial.arm == _NOW:
            try:
                sticks[trial.block] = Yardsticks.measured()
            except YardstickLost as lost:
                typer.echo(f"headrace: {lost.message}", err=True)

    wanted = Wanted(arms, plan, blocks, _SEED, Conditions(rows_max=2_000))
    trials, is_whole = uvloop.run(made(wanted, beside))
    return trials, sticks, is_whole


def _show(told: Told, trials: Sequence[Trial], *, is_json: bool) -> None:
    if is_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
        return
    console = make_console()
    show(console, told.budgets)
    show_overheads(console, told.overheads)
    if told.against:
        console.print("A: the other version   B: this one")
        show_verdicts(told.against)
    show_changes(console, told.changes)
    show_failed(console, trials)
    show_lost(console, told.lost)
