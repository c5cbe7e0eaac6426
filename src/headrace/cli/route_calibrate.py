"""`headrace route calibrate`: from a file of labelled lines to weights, and what they are worth."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from headrace.cli.cache_view import make_console
from headrace.errors import HeadraceError
from headrace.routing.complexity.calibrate import Calibration, Labelled, TooFew, calibrate
from headrace.routing.complexity.labelled import LINE_BYTES_MAX, LineBroken, read_line
from headrace.routing.complexity.measures import Bin, Measured
from headrace.routing.complexity.weights import encode_weights

_BROKEN_SHOWN: Final = 5


class Read:
    """What was read of a file.

    Attributes:
        lines: those that can be used.
        broken: number and trouble of the first ones that cannot.
        broken_count: how many those are.
    """

    def __init__(self) -> None:
        self.lines: list[Labelled] = []
        self.broken: list[tuple[int, str]] = []
        self.broken_count = 0

    def take(self, number: int, line: bytes) -> None:
        """Read one more line; empty ones are none."""
        if not line.strip():
            return
        try:
            self.lines.append(read_line(line))
        except LineBroken as why:
            self.broken_count += 1
            if len(self.broken) < _BROKEN_SHOWN:
                self.broken.append((number, str(why)))


def run(log: str, out: Path | None, lines_max: int) -> None:
    """Do it and show it.

    Args:
        log: name of the file, `-` for standard input.
        out: where the weights go.
        lines_max: lines read at most.

    Raises:
        HeadraceError: there is too little to learn from.
        OSError: a file cannot be read or written.
        typer.BadParameter: the weights could not be written.
    """
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise typer.BadParameter(
            f"{out} cannot be written: name a file in a directory that exists", param_hint="--out"
        )
    console, read = make_console(), Read()
    with ExitStack() as stack:
        for number, line in enumerate(islice(_lines(_open(log, stack)), lines_max), 1):
            read.take(number, line)
    _tell_broken(read, console)
    try:
        found = calibrate(read.lines)
    except TooFew as why:
        raise HeadraceError(f"{why}.") from None
    show(found, console)
    if out is not None:
        out.write_bytes(encode_weights(found.weights))
        console.print(f"written to {out}", style="dim", markup=False)


def show(found: Calibration, console: Console) -> None:
    """Print what was found."""
    told = f"{found.lines:,} requests; the cheap model was good enough for {found.good_share:.1%}"
    console.print(told, highlight=False)
    console.print(_figures(found))
    console.print(_bins(found.bins))
    console.print(_weights(found))
    for line in _notes(found):
        console.print(line, highlight=False, style="dim")


def _open(log: str, stack: ExitStack) -> BinaryIO:
    if log == "-":
        return sys.stdin.buffer
    return stack.enter_context(Path(log).open("rb"))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, none of which is held further than it may be long."""
    while line := stream.readline(LINE_BYTES_MAX + 1):
        yield line


def _tell_broken(read: Read, console: Console) -> None:
    if not read.broken_count:
        return
    told = f"{read.broken_count:,} lines cannot be used"
    console.print(told, style="yellow", highlight=False)
    for number, why in read.broken:
        console.print(f"  line {number}: {why}", style="dim", highlight=False, markup=False)


def _figures(found: Calibration) -> Table:
    table = Table(box=box.SIMPLE, title="On requests that were not learnt from")
    for name in ("figure", "value", "95 %", "by chance"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    table.add_row("AUC", *_measured(found.auc), "0.500")
    table.add_row("APGR", *_measured(found.apgr), "0.500")
    table.add_row("APGR of length alone", *_measured(found.length_alone), "0.500")
    table.add_row("calibration error", f"{found.calibration_error:.3f}", "", "")
    return table


def _measured(figure: Measured) -> tuple[str, str]:
    return f"{figure.value:.3f}", f"{figure.low:.3f} - {figure.high:.3f}"


def _bins(bins: Sequence[Bin]) -> Table:
    table = Table(box=box.SIMPLE, title="Not good enough: what was told, and what came true")
    for name in ("requests", "told", "true"):
        table.add_column(name, justify="right")
    for each in bins:
        table.add_row(f"{each.lines:,}", f"{each.told:.3f}", f"{each.true:.3f}")
    return table


def _weights(found: Calibration) -> Table:
    table = Table(box=box.SIMPLE, title="Weights")
    table.add_column("feature")
    table.add_column("weight", justify="right")
    table.add_row("(bias)", f"{found.weights.bias:+.3f}")
    for name, weight in found.weights.weights.items():
        table.add_row(name, f"{weight:+.3f}")
    return table


def _notes(found: Calibration) -> list[str]:
    notes = [
        "AUC: how often the harder of two requests has the higher score. APGR: the part of what",
        "the strong model is better by that is kept, in the mean over all shares of strong calls.",
    ]
    if not found.is_useful:
        notes.append(
            "The interval of the AUC holds 0.5: these weights are no better than chance, and a "
            "share of calls drawn by lot would do as well."
        )
    return notes
