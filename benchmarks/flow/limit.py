"""`python -m benchmarks.flow.limit`: what concurrency limits do, as a table."""

import argparse
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.flow.limit_case import SEEDS, Row, measure

VERDICTS: Final = {True: "kept", False: "MISSED", None: ""}


def main() -> None:
    """Run the experiments; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many (default: all)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = Console()
    with console.status("simulating") as status:
        rows = measure(SEEDS[: arguments.seeds], status.update)
    console.print(table(rows))
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    raise SystemExit(any(row.is_kept is False for row in rows))


def table(rows: list[Row]) -> Table:
    """The figures, one to a line."""
    shown = Table("figure", "algorithm", "mean", "95 %", "worst", "goal", "")
    for row in rows:
        interval = f"{row.low:.3g} - {row.high:.3g}"
        verdict = VERDICTS[row.is_kept]
        shown.add_row(
            row.figure, row.way, f"{row.mean:.3g}", interval, f"{row.worst:.3g}", row.goal, verdict
        )
    return shown


if __name__ == "__main__":
    main()
