"""`python -m benchmarks.prompt.caching`: what marks for providers' prompt caches save."""

import argparse
import tempfile
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.prompt.caching_case import Row, Shape, measure, measure_shapes
from benchmarks.prompt.caching_world import RHYTHMS, WAYS, Way, input_cost
from headrace.cache.simulation.estimate import Estimate, estimate

SEEDS: Final = (301, 302, 303)
# `auto` may cost so much more than the best of the others, for what it has to learn first.
_WORSE_MAX: Final = 0.05
# What compressing may take from the share: what it makes shorter is not the same in every turn.
_SHARE_LOST_MAX: Final = 0.01
Costs = dict[Way, Estimate]


class Figures(msgspec.Struct, frozen=True):
    """Everything that was measured.

    Attributes:
        rows: what marks save on a real gateway.
        shapes: the same where prompts are changed as well.
        rhythms: what input costs by rhythm of the calls and time that is asked for.
    """

    rows: list[Row]
    shapes: list[Shape]
    rhythms: dict[str, Costs]


def main() -> None:
    """Run everything; the exit status says whether every goal is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many (default: all)")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    seeds = SEEDS[: arguments.seeds]
    console = Console()
    with console.status("starting") as status, tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        rows = measure(seeds, directory, status.update)
        shapes = measure_shapes(seeds[0], directory, status.update)
        rhythms: dict[str, Costs] = {}
        for name, rhythm in RHYTHMS.items():
            status.update(name)
            rhythms[name] = {
                way: estimate([input_cost(rhythm, way, seed) for seed in seeds]) for way in WAYS
            }
    figures = Figures(rows, shapes, rhythms)
    for table in (_rows(rows), _shapes(shapes), _rhythms(rhythms)):
        console.print(table)
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    raise SystemExit(not _is_kept(figures))


def _is_kept(figures: Figures) -> bool:
    plain, compressed, small, *larger = (shape.cached_share for shape in figures.shapes)
    return (
        all(row.is_kept for row in figures.rows)
        and compressed >= plain - _SHARE_LOST_MAX
        and small <= min(larger)
        and all(map(_is_learnt, figures.rhythms.values()))
    )


def _is_learnt(costs: Costs) -> bool:
    """Whether what was learnt is about as good as the best that could have been set."""
    best = min(cost.mean for way, cost in costs.items() if way != "auto")
    return costs["auto"].mean <= best + _WORSE_MAX


def _rows(rows: list[Row]) -> Table:
    title = "Input's cost on a gateway, in multiples of the price"
    table = Table("dialect", "model", "conversations", "without", "marks", "saved", "", title=title)
    for row in rows:
        subject = row.subject
        verdict = "" if row.goal is None else "kept" if row.is_kept else "MISSED"
        shown = (f"{each.mean:.3f}" for each in (row.without, row.with_marks))
        saved = f"{row.saved.mean:.1%} ± {row.saved.margin or 0:.1%}"
        table.add_row(subject.dialect, subject.model, subject.kind, *shown, saved, verdict)
    return table


def _shapes(shapes: list[Shape]) -> Table:
    table = Table(
        "prompts",
        "tokens sent",
        "of them cached",
        "cost",
        title="Agents of 40 turns that outgrow 40,000 tokens, Claude",
    )
    for shape in shapes:
        shown = (f"{each:.1%}" for each in (shape.tokens, shape.cached_share, shape.cost))
        table.add_row(shape.name, *shown)
    return table


def _rhythms(rhythms: dict[str, Costs]) -> Table:
    title = "Input's cost on a simulated clock, in multiples of the price (Claude)"
    table = Table("calls", *WAYS, "", title=title)
    for name, costs in rhythms.items():
        shown = (f"{costs[way].mean:.3f}" for way in WAYS)
        table.add_row(name, *shown, "kept" if _is_learnt(costs) else "MISSED")
    return table


if __name__ == "__main__":
    main()
