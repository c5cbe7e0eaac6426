"""`python -m benchmarks.prompt.window`: what it costs and brings to fit conversations."""

import argparse
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.prompt.window_case import Row, measure

RUNS: Final = 40
VERDICTS: Final = {True: "kept", False: "MISSED", None: ""}


def main() -> None:
    """Run the experiments; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each (default: 40)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = Console()
    with console.status("beginning") as status:
        rows = measure(arguments.runs, status.update)
    console.print(table(rows))
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    raise SystemExit(any(row.is_kept is False for row in rows))


def table(rows: list[Row]) -> Table:
    """The figures, one to a line."""
    shown = Table("figure", "value", "goal", "")
    for row in rows:
        value = f"{row.value:.3g} {row.unit}".strip()
        shown.add_row(row.figure, value, row.goal, VERDICTS[row.is_kept])
    return shown


if __name__ == "__main__":
    main()
