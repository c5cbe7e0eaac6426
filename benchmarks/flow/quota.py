"""`python -m benchmarks.flow.quota`: how much of providers' quotas is used, as a table."""

from rich.table import Table

from benchmarks.flow import seeded
from benchmarks.flow.quota_case import SEEDS, Row, measure
from headrace.cache.simulation.estimate import Estimate


def main() -> None:
    """Run the experiment; the exit status says whether every promise is kept."""
    rows = seeded.run(__doc__, SEEDS, measure, table)
    raise SystemExit(any(row.is_kept is False for row in rows))


def table(rows: list[Row]) -> Table:
    """The figures in percent: means, 95 % intervals, and the worst seed."""
    shown = Table("provider", "used %", "worst", "429 %", "worst", "callers saw %", "")
    for row in rows:
        shown.add_row(
            row.name,
            _percent(row.used),
            f"{row.used_min:.2%}",
            _percent(row.refused),
            f"{row.refused_max:.2%}",
            _percent(row.given_up),
            seeded.VERDICTS[row.is_kept],
        )
    return shown


def _percent(value: Estimate) -> str:
    return f"{value.mean:.2%} ({value.low:.2%} - {value.high:.2%})"


if __name__ == "__main__":
    main()
