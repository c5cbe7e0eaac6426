"""Series of trials on the command line: made, shown as they go, written down."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

from headrace.bench.load.plan import Plan
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.series import Series, Step
from headrace.bench.trials.trial import Conditions, Trial
from headrace.cli.bench_view import line_of
from headrace.clock import SystemClock

_WHY_SHOWN: Final = 600


class Wanted(NamedTuple):
    """A series to be made.

    Attributes:
        arms: what is tried.
        plan: what each trial runs.
        blocks: in each of them every arm is tried once.
        seed: of the order.
        conditions: what is the same for all.
    """

    arms: Sequence[Arm]
    plan: Plan
    blocks: int
    seed: int
    conditions: Conditions


async def made(wanted: Wanted, on_trial: Callable[[Trial], None]) -> tuple[Sequence[Trial], bool]:
    """Make a series, and show how it goes.

    Args:
        wanted: what is to be made.
        on_trial: told of each trial that is over.

    Returns:
        The trials, and whether nobody ended it before its end.

    Raises:
        SettingsInvalid: the series cannot be made.
        OSError: no folder for files can be had.
    """
    console = Console(stderr=True, highlight=False)
    is_stopped = False
    with Live(Text(""), console=console, refresh_per_second=4, transient=True) as line:

        def tell(step: Step) -> None:
            if console.is_terminal:
                line.update(Text(_line(wanted.plan, step)))
            if step.trial is not None:
                on_trial(step.trial)
                if not console.is_terminal:
                    console.print(_done(step), markup=False)

        series = Series(
            wanted.arms,
            wanted.plan,
            blocks=wanted.blocks,
            seed=wanted.seed,
            conditions=wanted.conditions,
            clock=SystemClock(),
            on_step=tell,
        )

        def stop() -> None:
            nonlocal is_stopped
            is_stopped = True
            series.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        return await series.whole(), not is_stopped


def show_failed(console: Console, trials: Sequence[Trial]) -> None:
    """Tell of trials that failed: how many of each arm, and why."""
    reasons = Counter((trial.arm, trial.why) for trial in trials if trial.why)
    for (arm, why), count in reasons.items():
        console.print(f"{arm}: {count} trials failed: {(why or '')[:_WHY_SHOWN]}", markup=False)


def show_missing(console: Console, trials: Sequence[Trial], metrics: Sequence[str]) -> None:
    """Tell of figures that trials do not have which did not fail: how many of each arm."""
    lost = Counter(
        (trial.arm, metric)
        for trial in trials
        for metric in metrics
        if trial.why is None and trial.metrics.get(metric) is None
    )
    for (arm, metric), count in lost.items():
        console.print(
            f"{arm}: {count} trials went well and have no {metric}: too few requests for it, too "
            "many that failed, or the target does not tell it.",
            markup=False,
        )


def document_of(trial: Trial) -> dict[str, object]:
    """A trial as a line of a file: its figures by name."""
    return {"arm": trial.arm, "block": trial.block, "why": trial.why, **trial.metrics}


def _line(plan: Plan, step: Step) -> str:
    place = f"trial {step.number + 1} of {step.trials}: {step.arm}"
    return place if step.now is None else f"{place}  {line_of(plan, step.now)}"


def _done(step: Step) -> str:
    failed = "" if step.trial is None or step.trial.why is None else ", failed"
    return f"trial {step.number + 1} of {step.trials}: {step.arm}{failed}"
