"""`python -m benchmarks.flow.slo`: how calls give way while a budget burns, as a table."""

from rich.table import Table

from benchmarks.flow import seeded
from benchmarks.flow.slo_case import SEEDS, WAYS, Row, measure


def main() -> None:
    """Run the experiments and print them."""
    seeded.run(__doc__, SEEDS, measure, table)


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
