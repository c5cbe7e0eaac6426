"""`headrace bench compare`: two arms, many trials in turn, a verdict for each metric."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import typer
import uvloop

from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import Plan
from headrace.bench.records import append, check_writable
from headrace.bench.statistics.chance import chance
from headrace.bench.statistics.comparison import compare_all
from headrace.bench.statistics.question import Comparison, Question
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.metrics import names_of, scale_of, why_unknown
from headrace.bench.trials.series import runs_of
from headrace.bench.trials.trial import Conditions, Trial
from headrace.cli.bench_arms import arm_of
from headrace.cli.bench_plan import PlanWish, plan_of
from headrace.cli.bench_run import FAILED, INTERRUPTED, PASSED, UNUSABLE, nonce_of
from headrace.cli.bench_series import Wanted, document_of, made, show_failed, show_missing
from headrace.cli.bench_view import make_console
from headrace.cli.verdict_run import wish_of
from headrace.cli.verdict_view import show

A: Final = "A"
B: Final = "B"
_USUAL: Final = ("p50_ms", "throughput_per_s")
_WATCHED: Final = "cpu_us_per_request"


class CompareWish(msgspec.Struct, frozen=True):
    """What was typed.

    Attributes:
        a: the baseline: a commit, a settings file, a URL, or `.`.
        b: what is compared with it.
        plan: what each trial runs.
        blocks: trials of each arm.
        metrics: names, with `:higher` or `:lower` behind; none: the usual ones.
        margin: the smallest change that matters, in per cent.
        level: of intervals, in per cent.
        seed: of the order and of the bootstrap.
        out: file for the trials.
        json: whether the answers are wanted as JSON.
        conditions: of all trials.
    """

    a: str
    b: str
    plan: PlanWish
    blocks: int
    metrics: tuple[str, ...]
    margin: float
    level: float
    seed: int
    out: Path | None
    json: bool
    conditions: Conditions


def run(wish: CompareWish) -> None:
    """`headrace bench compare`.

    Raises:
        SettingsInvalid: what was typed cannot be compared.
        OSError: a file cannot be read or written; the figures have been shown by then.
        typer.Exit: always in the end, with the status.
    """
    plan = plan_of(wish.plan)
    arms = (arm_of(A, wish.a, wish.conditions), arm_of(B, wish.b, wish.conditions))
    questions = questions_of(wish, arms, plan)
    if wish.out is not None:
        check_writable(wish.out)
    warn_of_too_few(wish.blocks, questions)
    conditions = wish.conditions
    if any(arm.url is not None for arm in arms):
        conditions = msgspec.structs.replace(conditions, nonce=nonce_of(None))
    wanted = Wanted(arms, plan, wish.blocks, wish.seed, conditions)
    trials, is_whole = uvloop.run(made(wanted, lambda _trial: None))
    answers = answers_of(trials, questions, wish.seed)
    if wish.json:
        typer.echo(msgspec.json.format(msgspec.json.encode(answers)).decode())
    else:
        console = make_console()
        console.print(f"A: {wish.a}   B: {wish.b}   plan: {plan.name}", markup=False)
        show(answers)
        show_failed(console, trials)
        show_missing(console, trials, [question.metric for question in questions])
    if wish.out is not None:
        append(wish.out, *map(document_of, trials))
        typer.echo(f"headrace: added {len(trials)} trials to {wish.out}", err=True)
    raise typer.Exit(status_of(answers) if is_whole else INTERRUPTED)


def questions_of(wish: CompareWish, arms: Sequence[Arm], plan: Plan) -> tuple[Question, ...]:
    """What is asked of the trials.

    Raises:
        PlanInvalid: there is no such metric, or one is named twice.
    """
    is_watched = all(arm.url is None for arm in arms)
    usual = (_WATCHED, *_USUAL) if is_watched else _USUAL
    wanted = [wish_of(each) for each in wish.metrics or usual]
    names = [name for name, _ in wanted]
    known = names_of(plan)
    for name in names:
        if name not in known:
            raise PlanInvalid(f"--metric {name}: {why_unknown(plan)}.")
        if names.count(name) > 1:
            raise PlanInvalid(f"--metric {name}: named twice.")
    return tuple(
        Question(
            metric=name,
            better=better,
            margin=wish.margin / 100,
            scale=scale_of(name),
            level=wish.level / 100,
        )
        for name, better in wanted
    )


def warn_of_too_few(blocks: int, questions: Sequence[Question]) -> None:
    """Say beforehand what the verdicts would say after minutes."""
    least = max(question.runs_least(len(questions)) for question in questions)
    if blocks < least:
        typer.echo(
            f"headrace: {blocks} blocks carry no verdict on {len(questions)} metrics: "
            f"give --blocks {least} or more.",
            err=True,
        )


def answers_of(
    trials: Sequence[Trial], questions: tuple[Question, ...], seed: int
) -> tuple[Comparison, ...]:
    """What the trials say to all questions, as one family."""
    found = {question.metric: runs_of(trials, (A, B), question.metric) for question in questions}
    runs = {metric: (arms[A], arms[B]) for metric, arms in found.items()}
    return compare_all(runs, questions, chance(seed))


def status_of(answers: Sequence[Comparison]) -> int:
    """1: something is worse; 3: something is not known; 0: nothing is worse."""
    told = {answer.verdict for answer in answers}
    if "worse" in told:
        return FAILED
    return UNUSABLE if told & {"inconclusive", "insufficient"} else PASSED
