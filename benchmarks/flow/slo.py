"""`python -m benchmarks.flow.slo`: how calls give way while a budget burns, as a table."""

import argparse
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import report
from benchmarks.flow.slo_case import SEEDS, WAYS, Row, measure


def main() -> None:
    """Run the experiments and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many (default: all)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    with Console(stderr=True).status("simulating") as status:
        rows = measure(SEEDS[: arguments.seeds], status.update)
    report.wide_console().print(table(rows))
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def table(rows: list[Row]) -> Table:
    """The figures, a line each, and a column for each way."""
    shown = Table("trouble", "figure", *WAYS)
    found = {(row.trouble, row.figure, row.way): row for row in rows}
    for trouble, figure in dict.fromkeys((row.trouble, row.figure) for row in rows):
        cells = (_cell(found[trouble, figure, way]) for way in WAYS)
        shown.add_row(trouble, figure, *cells)
    return shown


def _cell(row: Row) -> str:
    return f"{row.mean:.3g} ({row.low:.3g} - {row.high:.3g})"


if __name__ == "__main__":
    main()
