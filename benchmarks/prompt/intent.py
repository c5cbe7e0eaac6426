"""`python -m benchmarks.prompt.intent`: how well intents are told, and how fast."""

import argparse
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from benchmarks.prompt.intent_case import measure
from benchmarks.prompt.window import table

ROUNDS: Final = 10


def main() -> None:
    """Train, try and take the time; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of 1,000 calls (default: 10)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = Console()
    with console.status("beginning") as status:
        rows = measure(arguments.rounds, status.update)
    console.print(table(rows))
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    raise SystemExit(any(row.is_kept is False for row in rows))


if __name__ == "__main__":
    main()
