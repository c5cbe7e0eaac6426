"""How a gate looks: a line for each budget, and where the history broke."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace.bench.gate.history import Change
from headrace.bench.gate.judge import Judged, Outcome
from headrace.bench.gate.overhead import Added, Overhead

_STYLES: Final[Mapping[Outcome, str]] = {
    "pass": "green",
    "regress": "bold red",
    "inconclusive": "yellow",
}


def show(console: Console, budgets: Sequence[Judged]) -> None:
    """Print what became of each budget, and of those that did not pass, why."""
    table = Table(box=None, header_style="dim")
    table.add_column("budget", no_wrap=True)
    table.add_column("is", no_wrap=True)
    for name in ("measured", "ratio", "interval", "bar"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("to", no_wrap=True)
    for one in budgets:
        table.add_row(
            Text(one.budget.name),
            Text(one.outcome, style=_STYLES[one.outcome]),
            *_cells(one),
            one.yard or "-",
        )
    console.print(table)
    for one in budgets:
        if one.outcome != "pass":
            console.print(f"{one.budget.name}: {one.because}", markup=False)


def show_overheads(console: Console, overheads: Sequence[Overhead]) -> None:
    """Print what is added to latencies, in milliseconds."""
    for one in overheads:
        nginx = "" if one.nginx is None else f", and nginx {_added(one.nginx)}"
        console.print(
            f"{one.metric}: {one.direct_ms:.3f} ms by the provider itself; this version adds "
            f"{_added(one.gateway)}{nginx}",
            markup=False,
        )


def _added(told: Added) -> str:
    return f"{told.ms:.3f} ms ({told.interval.low:.3f} to {told.interval.high:.3f})"


def show_changes(console: Console, changes: Sequence[Change]) -> None:
    """Print where figures broke, in the order of the budgets."""
    for change in changes:
        day = datetime.fromtimestamp(change.at, UTC).date().isoformat()
        moved = change.after / change.before - 1
        console.print(
            f"{change.name} changed with {change.commit or 'no commit'} on {day}: "
            f"{change.before:.3g} to {change.after:.3g} ({moved:+.1%})",
            markup=False,
        )


def show_lost(console: Console, lost: Sequence[str]) -> None:
    """Print what failed in every block."""
    for each in lost:
        console.print(f"FAILED: {each}", style="bold red", markup=False)


def _cells(one: Judged) -> tuple[str, ...]:
    sign = "<=" if one.budget.at_most else ">="
    bar = "-" if one.bar is None else f"{sign} {one.bar:g}"
    if one.ratio is None or one.interval is None:
        return ("-", "-", "-", bar)
    interval = f"{one.interval.low:.2f} to {one.interval.high:.2f}"
    return (f"{one.measured:.4g}", f"{one.ratio:.2f}", interval, bar)
