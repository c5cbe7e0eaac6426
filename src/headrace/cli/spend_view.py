"""How spend and budgets look."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_KINDS: Final = ("keys", "tenants", "models", "intents")
_COLUMNS: Final = ("today", "yesterday", "this_month", "last_month")
# Wide enough for every name: what reads a pipe wants whole lines.
_PIPE_WIDTH: Final = 4096
_STYLES: Mapping[str, str] = {"ok": "green", "soft": "yellow", "hard": "bold red"}


def show(told: Mapping[str, Any]) -> None:
    """Print what `/admin/spend` tells."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(books_table(told))
    if told["budgets"]:
        console.print(budgets_table(told["budgets"]))


def books_table(told: Mapping[str, Any]) -> Table:
    """What was spent, by key, tenant, model and intent."""
    table = Table(title="Spent", title_justify="left", box=None, header_style="dim")
    table.add_column("")
    for title in ("today", "yesterday", "this month", "last month", "calls", "held"):
        table.add_column(title, justify="right", no_wrap=True)
    for kind in _KINDS:
        for entry in told[kind]:
            amounts = (entry[each]["usd"] for each in _COLUMNS)
            today, month = entry["today"], entry["this_month"]
            name = escape(f"{kind.removesuffix('s')} {entry['name']}")
            row = (*map(_dollars, amounts), f"{month['calls']:,}", _dollars(today["reserved_usd"]))
            table.add_row(name, *row)
    return table


def budgets_table(budgets: list[Mapping[str, Any]]) -> Table:
    """How budgets stand."""
    table = Table(title="Budgets", title_justify="left", box=None, header_style="dim")
    table.add_column("")
    for title in ("state", "a", "limit", "spent", "held", "left"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("until", no_wrap=True)
    for budget in budgets:
        style = _STYLES[budget["state"]]
        for period in ("day", "month"):
            if period in budget:
                found = budget[period]
                amounts = (found[f"{each}_usd"] for each in ("limit", "spent", "reserved", "left"))
                state = f"[{style}]{budget['state']}[/]"
                until = found["ends_at"][:16]
                table.add_row(escape(budget["name"]), state, period, *map(_dollars, amounts), until)
    return table


def _dollars(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.4f}"
