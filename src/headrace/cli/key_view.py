"""Keys as people look at them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def show_keys(keys: Iterable[dict[str, Any]]) -> None:
    """Print a table of keys, a line each."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("id", "name", "tenant", "state", "limits", "budget", "models", "last used"):
        table.add_column(column, overflow="fold")
    for key in keys:
        cells = (
            key["id"],
            key["name"],
            key["tenant"],
            key["state"] + (", admin" if key["admin"] else ""),
            _limits(key),
            _budget(key),
            " ".join(key["models"]) or "all",
            _when(key["last_used_at"]),
        )
        table.add_row(*map(Text, cells))
    Console().print(table)


def show_key(key: dict[str, Any], *, beside: bool = False) -> None:
    """Print all there is to know of one key.

    Args:
        key: as it is told.
        beside: to the standard error, beside the output.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in key.items():
        if name in ("object", "key"):
            continue
        shown = _when(value) if name.endswith(("_at", "_until")) else value
        listed = isinstance(shown, (list, tuple))
        table.add_row(Text(name), Text(" ".join(shown) if listed else str(shown)))
    Console(stderr=beside).print(table)


def _limits(key: dict[str, Any]) -> str:
    said = (
        (key["requests_per_minute"], "requests/min"),
        (key["tokens_per_minute"], "tokens/min"),
        (key["concurrent"], "at once"),
    )
    return ", ".join(f"{value:g} {what}" for value, what in said if value is not None) or "none"


def _budget(key: dict[str, Any]) -> str:
    said = ((key["day_usd"], "day"), (key["month_usd"], "month"))
    return ", ".join(f"${value:g}/{what}" for value, what in said if value is not None) or "none"


def _when(at_s: float | None) -> str:
    if at_s is None:
        return "never"
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
