"""How a showcase looks on a terminal: verdicts, promises, money."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace.bench.exhibit.results import Showcase
from headrace.bench.report import parts
from headrace.bench.trials.trial import Trial

_STYLES: Final[Mapping[str, str]] = {
    "better": "bold green",
    "kept": "bold green",
    "worse": "bold red",
    "missed": "bold red",
    "equivalent": "cyan",
}
_SO_FAR: Final = ("p50_ms", "good_per_s", "failed_share", "cost_usd_per_1000_good")
# Reasons are for the report; a terminal has no room for them.
_LEFT_OUT: Final = frozenset({"what", "of"})


def show(console: Console, found: Showcase) -> None:
    """Print what was found."""
    arms, alone = (found.main.a, found.main.b), parts.alone(found.alone)
    console.print(parts.lead(found), highlight=False, markup=False)
    console.print(_table(parts.verdicts(found.main, f"{arms[1]} against {arms[0]}", "")))
    for reason in parts.reasons(found.main):
        console.print(reason, highlight=False, markup=False)
    console.print(parts.control(found.control), highlight=False, markup=False)
    console.print(_table(parts.promises(found.promises)))
    console.print(_table(alone) if alone.rows else parts.NONE_ALONE)
    if found.impact is not None:
        console.print(_table(parts.business(found.impact, arms)))
    for note in found.notes:
        console.print(note, highlight=False, markup=False)


def show_so_far(console: Console, over: Sequence[tuple[str, Trial]]) -> None:
    """Print the medians of trials that are over, each with its series, without any verdict."""
    if not over:
        return
    found: dict[tuple[str, str], list[Trial]] = {}
    for series, trial in over:
        found.setdefault((series, trial.arm), []).append(trial)
    table = Table(title="Medians so far", title_justify="left", box=None, header_style="dim")
    table.add_column("series")
    table.add_column("arm")
    for head in ("trials", *_SO_FAR):
        table.add_column(head, justify="right")
    for (series, arm), trials in found.items():
        medians = (_median([trial.metrics.get(name) for trial in trials]) for name in _SO_FAR)
        table.add_row(series, arm, str(len(trials)), *medians)
    console.print(table)


def _median(figures: Sequence[float | None]) -> str:
    told = [each for each in figures if each is not None]
    return f"{statistics.median(told):.4g}" if told else "-"


def _table(told: parts.Table) -> Table:
    table = Table(title=Text(told.title), title_justify="left", box=None, header_style="dim")
    shown = [place for place, head in enumerate(told.heads) if head not in _LEFT_OUT]
    for place in shown:
        table.add_column(Text(told.heads[place]), justify="right" if place > 1 else "left")
    for row in told.rows:
        table.add_row(*(Text(row[place], _STYLES.get(row[place], "")) for place in shown))
    return table
