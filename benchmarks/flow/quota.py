"""`python -m benchmarks.flow.quota`: how much of providers' quotas is used, as a table."""

import argparse
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.flow.quota_case import SEEDS, Row, measure
from headrace.cache.simulation.estimate import Estimate

VERDICTS: Final = {True: "kept", False: "MISSED", None: ""}


def main() -> None:
    """Run the experiment; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many (default: all)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = Console()
    with console.status("simulating") as status:
        rows = list(measure(SEEDS[: arguments.seeds], status.update))
    console.print(table(rows))
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
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
            VERDICTS[row.is_kept],
        )
    return shown


def _percent(value: Estimate) -> str:
    return f"{value.mean:.2%} ({value.low:.2%} - {value.high:.2%})"


if __name__ == "__main__":
    main()
