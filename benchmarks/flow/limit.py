"""`python -m benchmarks.flow.limit`: what concurrency limits do, as a table."""

from rich.table import Table

from benchmarks.flow import seeded
from benchmarks.flow.limit_case import SEEDS, Row, measure


def main() -> None:
    """Run the experiments; the exit status says whether every promise is kept."""
    rows = seeded.run(__doc__, SEEDS, measure, table)
    raise SystemExit(any(row.is_kept is False for row in rows))


def table(rows: list[Row]) -> Table:
    """The figures, one to a line."""
    shown = Table("figure", "algorithm", "mean", "95 %", "worst", "goal", "")
    for row in rows:
        interval = f"{row.low:.3g} - {row.high:.3g}"
        verdict = seeded.VERDICTS[row.is_kept]
        shown.add_row(
            row.figure, row.way, f"{row.mean:.3g}", interval, f"{row.worst:.3g}", row.goal, verdict
        )
    return shown


if __name__ == "__main__":
    main()
