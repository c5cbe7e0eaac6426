"""Experiments on a simulated clock: run with seeds, shown as a table, written as JSON."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from rich.table import Table

from benchmarks import report

R = TypeVar("R")

VERDICTS: Final[Mapping[bool | None, str]] = {True: "kept", False: "MISSED", None: ""}


def run(
    description: str | None,
    seeds: Sequence[int],
    measure: Callable[[Sequence[int], Callable[[str], None]], Iterable[R]],
    table: Callable[[list[R]], Table],
) -> list[R]:
    """A command that runs experiments; returns the figures that it has shown.

    Args:
        description: what `--help` says.
        seeds: all there are; `--seeds` takes the first few.
        measure: runs the experiments with seeds, and tells what it is at.
        table: shows figures.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=len(seeds), help="how many (default: all)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = report.wide_console()
    with console.status("simulating") as status:
        rows = list(measure(seeds[: arguments.seeds], status.update))
    console.print(table(rows))
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    return rows
