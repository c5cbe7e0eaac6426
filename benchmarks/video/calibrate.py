"""`python -m benchmarks.video.calibrate`: which workers and threads are fastest here, as a table.

Two videos are made in every way, so that one worker makes them one after the other.
"""

import argparse
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import environment
from benchmarks.video.trial import Spent, Way, measure
from headrace.toolkit.video_creator import threads_for
from headrace.video.ffmpeg import usable_cores


class Row(msgspec.Struct, frozen=True):
    """One way and what it took."""

    way: Way
    spent: Spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each video")
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    options = parser.parse_args()
    console = Console()
    machine = environment.read()
    with console.status("") as status:
        spent = measure(
            ways(usable_cores()),
            rounds=options.rounds,
            seed=options.seed,
            seconds=options.seconds,
            height=options.height,
            tell=status.update,
        )
    rows = [Row(way, taken) for way, taken in spent.items()]
    console.print(table(rows))
    console.print(f"{machine.processor}, {usable_cores()} cores, commit {machine.commit}")
    for note in environment.doubts(machine.load_average, 0.0):
        console.print(f"note: {note}")
    if options.out:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def ways(count: int) -> list[Way]:
    """Workers and threads to try on so many cores: up to twice as much as there is."""
    steps = sorted({1, 2, count, 2 * count})
    return [
        Way(workers, threads, 2, simple)
        for simple in (True, False)
        for workers in (1, 2)
        for threads in steps
        if workers * threads <= 2 * count
    ]


def table(rows: list[Row]) -> Table:
    """The figures, one way to a line."""
    shown = Table("background", "workers", "threads", "2 videos, s", "least - most", "CPU, s", "")
    for row in rows:
        way, spent = row.way, row.spent
        shown.add_row(
            "plain" if way.simple else "moving",
            str(way.workers),
            str(way.threads),
            f"{spent.wall_s:.2f}",
            f"{spent.least_s:.2f} - {spent.most_s:.2f}",
            f"{spent.cpu_s:.1f}",
            "default" if way.threads == threads_for(way.workers) else "",
        )
    return shown


if __name__ == "__main__":
    main()
