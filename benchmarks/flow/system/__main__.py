"""`python -m benchmarks.flow.system`: what calls flow like through a real gateway, as tables."""

import argparse
import datetime as dt
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import environment, processes, report
from benchmarks.flow.system import (
    down,
    embeddings,
    faults,
    fixed,
    hedging,
    overload,
    quota,
    reaction,
    step,
    tenants,
)
from benchmarks.flow.system.effort import FULL, QUICK, Effort, Told
from benchmarks.flow.system.figures import Row
from benchmarks.gateway import ROOT
from benchmarks.records import Environment, Verdict

Measure = Callable[[Effort, Path, Told], list[Row]]

CASES: Final[Mapping[str, Measure]] = {
    "overload": overload.measure,
    "step": step.measure,
    "quota": quota.measure,
    "tenants": tenants.measure,
    "faults": faults.measure,
    "down": down.measure,
    "hedging": hedging.measure,
    "fixed": fixed.measure,
    "embeddings": embeddings.measure,
    "reaction": reaction.measure,
}


class Record(msgspec.Struct, frozen=True):
    """A run as it is written."""

    started: str
    effort: Effort
    environment: Environment
    rows: list[Row]
    notes: list[str]


def main() -> int:
    """Run the experiments, print them, and write them.

    Returns:
        0; 1 where a promise was missed or nothing can be said of it; 2 where a case could not run.
    """
    options = _options()
    console = report.wide_console()
    processes.end_on_signals()
    processes.raise_descriptor_limit()
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    machine, effort = environment.read(), _effort(options)
    rows: list[Row] = []
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="headrace-flow-") as folder:
        for case in options.cases:
            try:
                with Console(stderr=True).status(case) as status:
                    made = CASES[case](effort, Path(folder), status.update)
            except processes.ChildFailed as error:
                failures.append(f"{case} could not be run: {error}")
                continue
            console.print(table(case, made))
            rows += made
    notes = [*environment.doubts(machine.load_average, 0.0), *failures]
    for note in notes:
        console.print(f"note: {note}", style="yellow", markup=False)
    path = options.json or ROOT / f"benchmarks/results/flow-{started.replace(':', '')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = Record(started, effort, machine, rows, notes)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    console.print(f"written to {path}", style="dim")
    broken = any(row.verdict in {Verdict.MISS, Verdict.VOID} for row in rows)
    return 2 if failures else int(broken)


def table(case: str, rows: list[Row]) -> Table:
    """The figures of a case, one to a line."""
    shown = Table(title=f"{case}: means over {len(rows[0].values)} runs", title_justify="left")
    for column in ("figure", "way", "mean", "95 %", "promise", ""):
        shown.add_column(column)
    for row in rows:
        verdict = "" if row.verdict is None else str(row.verdict)
        colour = "" if row.verdict is None else report.COLOURS[row.verdict]
        shown.add_row(
            row.figure,
            row.way,
            f"{row.mean:.4g}",
            f"{row.low:.4g} - {row.high:.4g}",
            row.goal,
            f"[{colour}]{verdict}[/]" if colour else verdict,
        )
    return shown


def _effort(options: argparse.Namespace) -> Effort:
    effort = QUICK if options.quick else FULL
    runs = options.runs or effort.runs
    return msgspec.structs.replace(effort, runs=runs, seed=options.seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow.system", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look: two runs of each case")
    parser.add_argument(
        "--cases",
        nargs="+",
        choices=tuple(CASES),
        default=list(CASES),
        metavar="CASE",
        help=f"only these: {', '.join(CASES)}",
    )
    parser.add_argument("--runs", type=int, help=f"of each case: {FULL.runs}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures are written")
    parser.add_argument("--seed", type=int, default=FULL.seed, help="of the first run")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
