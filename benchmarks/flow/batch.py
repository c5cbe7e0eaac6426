"""`python -m benchmarks.flow.batch`: what merging embeddings saves and costs, as a table."""

import argparse
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.flow.batch_case import SEEDS, Row, measure


def main() -> None:
    """Run the experiments; the exit status says whether every goal is kept."""
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
    raise SystemExit(any(not row.is_kept for row in rows))


def table(rows: list[Row]) -> Table:
    """The figures, one to a line."""
    shown = Table("figure", "a call takes", "mean", "95 %", "goal", "")
    for row in rows:
        interval = f"{row.low:.3g} - {row.high:.3g}"
        verdict = "kept" if row.is_kept else "MISSED"
        shown.add_row(row.figure, row.provider, f"{row.mean:.3g}", interval, row.goal, verdict)
    return shown


if __name__ == "__main__":
    main()
