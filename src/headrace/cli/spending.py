"""`headrace spend`: what a running gateway has spent, and what is left of its budgets."""

import json as json_text
from typing import Annotated

import typer

from headrace.cli.admin_call import AdminKey, NotTold, Url, ask_console


def spend(
    *,
    url: Url = "http://127.0.0.1:8080",
    admin_key: AdminKey = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
) -> None:
    """Show what a running gateway has spent, and what is left of its budgets."""
    from headrace.cli.spend_view import show

    try:
        told = ask_console(url, "/admin/spend", admin_key)
    except NotTold as why:
        typer.echo(f"Not told: {why}", err=True)
        raise typer.Exit(1) from None
    if json:
        typer.echo(json_text.dumps(told, indent=2, ensure_ascii=False))
    elif told["enabled"]:
        show(told)
    else:
        typer.echo("No books are kept: set spend.enabled, or budgets.")
