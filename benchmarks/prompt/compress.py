"""`python -m benchmarks.prompt.compress`: what it costs and brings to compress prompts."""

import argparse
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.prompt.compress_case import Figures, measure

SESSIONS: Final = 30
SEED: Final = 7


def main() -> None:
    """Run the experiments; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of each half (default: 30)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the agents' work (default: 7)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = Console()
    with console.status("beginning") as status:
        figures = measure(arguments.sessions, arguments.seed, status.update)
    for table in tables(figures):
        console.print(table)
    console.print(f"safe saves {figures.overall_share:.1%} of all agents' work")
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    for missed in figures.missed:
        console.print(f"[red]missed[/red] {missed}")
    raise SystemExit(bool(figures.missed))


def tables(figures: Figures) -> list[Table]:
    """The figures, a kind or a half to a line."""
    kinds = Table("kind, safe", "texts", "tokens", "saved", "ms for 2,000", "a count", "broken")
    for row in figures.kinds:
        kinds.add_row(
            row.kind,
            f"{row.texts}",
            f"{row.tokens:,}",
            f"{row.saved_share:.1%}",
            f"{row.ms:.1f}",
            f"{row.count_ms:.2f}",
            f"{row.broken}",
        )
    mix = Table("agents", "level", "sessions", "tokens", "saved", "tenths", "prefix kept", "ms")
    for each in figures.mix:
        mix.add_row(
            each.half,
            each.level,
            f"{each.sessions}",
            f"{each.tokens:,}",
            f"{each.saved_share:.1%}",
            f"{each.low:.0%}-{each.high:.0%}",
            f"{each.kept_share:.1%}",
            f"{each.repeat_ms:.2f}",
        )
    return [kinds, mix]


if __name__ == "__main__":
    main()
