"""What `headrace spend` shows."""

from rich.console import Console

from headrace.cli.spend_view import books_table, budgets_table

AMOUNTS = {"limit_usd": 1.0, "spent_usd": 0.5, "reserved_usd": 0.0, "left_usd": 0.5}


def test_names_are_shown_as_they_are() -> None:
    day = {**AMOUNTS, "ends_at": "2026-01-01T00:00:00+00:00"}
    console = Console(width=200, record=True)
    console.print(budgets_table([{"name": "key=a[/b]", "state": "ok", "day": day}]))
    spent = {"usd": 0.5, "calls": 3, "reserved_usd": 0.0}
    periods = ("today", "yesterday", "this_month", "last_month")
    entry = {"name": "[red]x", **dict.fromkeys(periods, spent)}
    nobody: dict[str, object] = dict.fromkeys(("keys", "tenants", "models", "intents"), ())
    console.print(books_table({**nobody, "keys": [entry]}))
    shown = console.export_text()
    assert "key=a[/b]" in shown
    assert "[red]x" in shown
