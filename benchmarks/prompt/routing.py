"""`python -m benchmarks.prompt.routing`: what routers save at equal quality, as tables."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.prompt.routing_case import SEEDS, ChosenRow, CurveRow, Measured, measure
from benchmarks.prompt.routing_world import NOISE
from headrace.cache.simulation.estimate import Estimate

VERDICTS: Final = {True: "kept", False: "MISSED", None: ""}


def main() -> None:
    """Run the experiment; the exit status says whether every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many (default: all)")
    parser.add_argument("--noise", type=float, default=NOISE, help="of what no feature knows")
    parser.add_argument("--out", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    console = Console()
    with console.status("simulating") as status:
        found = measure(SEEDS[: arguments.seeds], status.update, arguments.noise)
    for table in tables(found):
        console.print(table)
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    rows: list[CurveRow | ChosenRow] = [*found.curves, *found.chosen]
    raise SystemExit(any(row.is_kept is False for row in rows))


def tables(found: Measured) -> list[Table]:
    """The figures: orders, curves, and what the gateway's chooser makes of them."""
    quality = (
        f"good answers: cheap {percent(found.quality_cheap)}, strong "
        f"{percent(found.quality_strong)}"
    )
    orders = Table("router", "APGR", title=quality)
    for name, figure in found.apgr.items():
        orders.add_row(name, interval(figure, "{:.3f}".format))
    curves = [_curve(found.curves, pair) for pair in dict.fromkeys(r.pair for r in found.curves)]
    chosen = Table("set", "wanted", "came", "gap kept", "cost", "below lot's", "")
    for each in found.chosen:
        chosen.add_row(
            each.goal,
            f"{each.wanted:.0%}",
            percent(each.came),
            percent(each.recovered),
            percent(each.cost),
            percent(each.below_random),
            VERDICTS[each.is_kept],
        )
    return [orders, *curves, chosen]


def _curve(rows: list[CurveRow], pair: str) -> Table:
    names = ("router", "gap kept", "strong calls", "fewer than by lot", "cost", "below lot's", "")
    table = Table(*names, title=f"{pair}: of always-strong")
    for row in rows:
        if row.pair == pair:
            table.add_row(
                row.router,
                f"{row.recovered:.0%}",
                percent(row.strong_share),
                percent(row.calls_below_random),
                percent(row.cost),
                percent(row.below_random),
                VERDICTS[row.is_kept],
            )
    return table


def percent(figure: Estimate) -> str:
    """A figure with its interval, in percent."""
    return interval(figure, "{:.1%}".format)


def interval(figure: Estimate, show: Callable[[float], str]) -> str:
    """A figure with its interval, where there is one."""
    if figure.margin is None:
        return show(figure.mean)
    return f"{show(figure.mean)} ({show(figure.low)} - {show(figure.high)})"


if __name__ == "__main__":
    main()
