"""`python -m benchmarks.flow.scheduler`: what the scheduler does, as a table."""

from rich.table import Table

from benchmarks.flow import seeded
from benchmarks.flow.scheduler_case import SEEDS, Row, measure


def main() -> None:
    """Run the experiments; the exit status says whether every promise is kept."""
    rows = seeded.run(__doc__, SEEDS, measure, table)
    raise SystemExit(any(row.is_kept is False for row in rows))


def table(rows: list[Row]) -> Table:
    """The figures, one to a line."""
    shown = Table("figure", "who decides", "mean", "95 %", "goal", "")
    for row in rows:
        interval = f"{row.low:.3g} - {row.high:.3g}"
        verdict = seeded.VERDICTS[row.is_kept]
        shown.add_row(row.figure, row.way, f"{row.mean:.3g}", interval, row.goal, verdict)
    return shown


if __name__ == "__main__":
    main()
