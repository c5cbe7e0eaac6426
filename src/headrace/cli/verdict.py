"""`headrace bench verdict`: its options."""

from pathlib import Path
from typing import Annotated, Final

import typer

from headrace.cli import bench_extra
from headrace.cli.bench_options import AsJson, Level, Margin

EPILOG: Final = """Example:

headrace bench verdict before.jsonl after.jsonl --metric p99_ms --metric goodput:higher

where a line is one run:  {"p99_ms": 412.5, "goodput": 96.2}"""


def verdict(
    a: Annotated[Path, typer.Argument(metavar="A", help="Runs of the baseline, one on each line.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Runs of what is compared with it.")],
    *,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="What to compare; NAME:higher where more is better. All that both have."),
    ] = None,
    margin: Margin = 2.0,
    level: Level = 95.0,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="The runs were not made in pairs, side by side.")
    ] = False,
    difference: Annotated[
        bool,
        typer.Option("--difference", help="Compare differences; --margin is in the metric's unit."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.", min=0)] = 0,
    json: AsJson = False,
) -> None:
    """Say whether B is better than A, worse, equivalent, or whether that is open.

    A line holds the figures of one run (a fresh process), by name, and may hold
    its pair as "block"; a figure that is null was not to be had, for the run failed.
    """
    bench_extra.require()
    from headrace.cli.verdict_run import Terms, run

    run(a, b, Terms(tuple(metric or ()), margin, level / 100.0, unpaired, difference), seed, json)
