"""How usage looks: a table with a bar for the share of what was spent."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_BAR_CHARS: Final = 20
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
# Wide enough for every name: what reads a pipe wants whole lines.
_PIPE_WIDTH: Final = 4096


def show(told: Mapping[str, Any]) -> None:
    """Print what `/admin/usage` tells."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    if not told["data"]:
        console.print(f"No calls from {told['from']} to {told['to']}.")
        return
    console.print(usage_table(told))
    if told["truncated"]:
        console.print(f"Only the first {len(told['data']):,} are shown.")


def usage_table(told: Mapping[str, Any]) -> Table:
    """What calls came to, the dearest first, and their total."""
    title = f"Usage from {told['from']} to {told['to']}"
    table = Table(title=title, title_justify="left", box=None, header_style="dim")
    group_by = told["group_by"]
    for name in group_by:
        table.add_column(name, no_wrap=True)
    for name in ("calls", "errors", "input", "output", "cost", "saved"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("share of cost", no_wrap=True)
    most_usd = max((group["cost_usd"] for group in told["data"]), default=0.0)
    for group in told["data"]:
        names = (escape(str(group[name]) or "-") for name in group_by)
        table.add_row(*names, *_amounts(group), bar(group["cost_usd"], most_usd))
    if group_by:
        table.add_row("total", *[""] * (len(group_by) - 1), *_amounts(told["total"]), style="bold")
    return table


def bar(value: float, most: float) -> str:
    """A bar as long as the share of a value, in eighths of a character.

    Args:
        value: not more than `most`.
        most: what the longest bar stands for.
    """
    eighths = round(value / most * _BAR_CHARS * 8) if most > 0 else 0
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _amounts(group: Mapping[str, Any]) -> tuple[str, ...]:
    unpriced = "+?" if group["unpriced_calls"] else ""
    estimated = "~" if group["estimated_calls"] else ""
    return (
        f"{group['calls']:,}",
        f"{group['errors']:,}",
        f"{group['input_tokens']:,}",
        f"{group['output_tokens']:,}",
        f"{estimated}{_dollars(group['cost_usd'])}{unpriced}",
        _dollars(group["saved_usd"]),
    )


def _dollars(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.4f}"
