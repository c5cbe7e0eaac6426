"""`python -m benchmarks.video.batch`: two videos at once against one, and against two in turn."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import environment
from benchmarks.video.trial import Spent, Way, measure
from headrace.toolkit.video_creator import threads_for
from headrace.video.ffmpeg import usable_cores

TWO_TO_ONE_MAX = 1.3
SAVED_SHARE_MIN = 0.4


class Row(msgspec.Struct, frozen=True):
    """One background: the times, and what is made of them."""

    background: str
    one: Spent
    both: Spent
    in_turn: Spent
    in_turn_all_threads: Spent

    @property
    def ratio(self) -> float:
        """Two at once, in the time of one."""
        return self.both.wall_s / self.one.wall_s

    @property
    def saved(self) -> float:
        """The share of the time of two in turn that a batch saves."""
        return 1 - self.both.wall_s / self.in_turn.wall_s


def main() -> None:
    """Measure and print; the exit status says whether the promises for plain ones are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each video")
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--simple-only", action="store_true", help="leave the gradient out")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    options = parser.parse_args()
    console = Console()
    machine = environment.read()
    kinds = [True] if options.simple_only else [True, False]
    wanted = {simple: ways(simple=simple) for simple in kinds}
    with console.status("") as status:
        spent = measure(
            [way for each in wanted.values() for way in each.values()],
            rounds=options.rounds,
            seed=options.seed,
            seconds=options.seconds,
            height=options.height,
            tell=status.update,
        )
    rows = [
        row({name: spent[way] for name, way in wanted[simple].items()}, simple=simple)
        for simple in kinds
    ]
    console.print(table(rows))
    is_kept = rows[0].ratio <= TWO_TO_ONE_MAX and rows[0].saved >= SAVED_SHARE_MIN
    console.print(
        f"promised for plain ones: two in at most {TWO_TO_ONE_MAX}x the time of one, and at least "
        f"{SAVED_SHARE_MIN:.0%} faster than in turn: {'kept' if is_kept else 'MISSED'}"
    )
    console.print(f"{machine.processor}, {usable_cores()} cores, commit {machine.commit}")
    for note in environment.doubts(machine.load_average, 0.0):
        console.print(f"note: {note}")
    if options.out:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    sys.exit(not is_kept)


def ways(*, simple: bool) -> Mapping[str, Way]:
    """What is compared: all with two workers' threads, and two in turn with all threads."""
    threads = threads_for(2)
    return {
        "one": Way(2, threads, 1, simple),
        "both": Way(2, threads, 2, simple),
        "in_turn": Way(2, threads, 0, simple),
        "in_turn_all_threads": Way(1, threads_for(1), 0, simple),
    }


def row(spent: Mapping[str, Spent], *, simple: bool) -> Row:
    """The figures of one background."""
    return Row(background="plain" if simple else "moving", **spent)


def table(rows: list[Row]) -> Table:
    """The figures, one background to a line."""
    shown = Table(
        *("background", "one, s", "two at once, s", "two in turn, s", "in turn, all threads, s"),
        *("two to one", "batch saves"),
    )
    for each in rows:
        times = (each.one, each.both, each.in_turn, each.in_turn_all_threads)
        shown.add_row(
            each.background,
            *(f"{t.wall_s:.2f} ({t.least_s:.2f} - {t.most_s:.2f})" for t in times),
            f"{each.ratio:.2f}x",
            f"{each.saved:.0%}",
        )
    return shown


if __name__ == "__main__":
    main()
