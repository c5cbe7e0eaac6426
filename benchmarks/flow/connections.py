"""`python -m benchmarks.flow.connections`: the connection pool beside its peers, as a table."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.flow.connection_clients import absent
from benchmarks.flow.connections_case import ROUNDS, ConnectionRow, measure
from benchmarks.records import Spread

VERDICTS: Final = {True: "kept", False: "MISSED", None: ""}


def main() -> None:
    """Run the rounds; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = Console()
    with console.status("calling") as status, TemporaryDirectory() as folder:
        rows = measure(arguments.rounds, Path(folder), status.update)
    console.print(table(rows))
    for name in absent():
        console.print(f"{name} is not installed, and not measured")
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    raise SystemExit(any(row.is_kept is False for row in rows))


def table(rows: list[ConnectionRow]) -> Table:
    """The figures, one to a line."""
    shown = Table(
        *("on", "over", "at once", "client", "µs a call", "to the pool's", "promised", ""),
        *("CPU µs a call", "to the pool's"),
    )
    for row in rows:
        shown.add_row(
            *(row.face, row.wire, str(row.together), row.client),
            *(_spread(row.call_us, 0), _spread(row.against, 2)),
            *("" if row.least is None else f">= {row.least:.2f}", VERDICTS[row.is_kept]),
            *(_spread(row.cpu_us, 0), _spread(row.cpu_against, 2)),
        )
    return shown


def _spread(value: Spread, digits: int) -> str:
    return f"{value.median:.{digits}f} ({value.low:.{digits}f} - {value.high:.{digits}f})"


if __name__ == "__main__":
    main()
