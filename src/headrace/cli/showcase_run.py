"""`headrace showcase`: from what was typed to a report, with how it goes meanwhile."""

import asyncio
import shlex
from pathlib import Path
from typing import Final

import msgspec
import typer
import uvloop
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headrace.bench.exhibit.plans import FULL, QUICK, Effort
from headrace.bench.exhibit.results import Showcase
from headrace.bench.exhibit.run import Going, showcase, stages
from headrace.bench.trials.trial import Trial
from headrace.cli.bench_view import make_console
from headrace.cli.showcase_files import make_folder, write
from headrace.cli.showcase_view import show, show_so_far
from headrace.cli.stop_signals import heed_stop
from headrace.routing.prices import PriceTable

INTERRUPTED: Final = 130


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed.

    Attributes:
        quick: in short.
        out: folder for the report.
        blocks: pairs of trials, of each part alone as well; None: as the effort says.
        seed: of everything that chance decides.
    """

    quick: bool
    out: Path
    blocks: int | None
    seed: int


def run(wish: Wish) -> None:
    """Make the showcase, show it, and write the report.

    Raises:
        OSError: the report cannot be written, and the figures have been shown by then; or trials
            have no folder for their files.
        typer.Exit: where it was interrupted; nothing was written.
    """
    effort = _effort(wish)
    make_folder(wish.out)
    try:
        found = uvloop.run(_made(effort, wish))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    if found is None:
        raise typer.Exit(INTERRUPTED)
    show(make_console(), found)
    for path in write(wish.out, found):
        typer.echo(f"written: {path}")


def _effort(wish: Wish) -> Effort:
    effort = QUICK if wish.quick else FULL
    if wish.blocks is None:
        return effort
    # Who says how many wants them all, however long that takes.
    return msgspec.structs.replace(
        effort, pairs=wish.blocks, pairs_alone=wish.blocks, seconds_max=None
    )


async def _made(effort: Effort, wish: Wish) -> Showcase | None:
    """The showcase; None where a signal came before its end.

    Raises:
        ExceptionGroup: of the one error that kept it from being made.
    """
    over: list[tuple[str, Trial]] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    trials = sum(stage.trials for stage in stages(effort, wish.seed))
    with Progress(*columns, console=make_console(), transient=True) as progress:
        bar = progress.add_task("starting", total=trials)

        def told(going: Going) -> None:
            if going.step.trial is not None:
                over.append((going.series, going.step.trial))
            about = f"{going.series}: {going.step.arm}, block {going.step.block + 1}"
            progress.update(bar, completed=going.done, description=about)

        async with asyncio.TaskGroup() as group:
            making = group.create_task(
                showcase(
                    effort,
                    seed=wish.seed,
                    prices_date=PriceTable.load().date,
                    command=_command(wish),
                    on_going=told,
                )
            )
            heed_stop(asyncio.get_running_loop(), making.cancel)
    if making.cancelled():
        show_so_far(make_console(), over)
        typer.echo(f"Stopped after {len(over)} of {trials} trials: nothing was written.", err=True)
        return None
    return making.result()


def _command(wish: Wish) -> str:
    told = ["headrace", "showcase", *(["--quick"] if wish.quick else [])]
    if wish.blocks is not None:
        told += ["--blocks", str(wish.blocks)]
    return shlex.join([*told, "--seed", str(wish.seed)])
