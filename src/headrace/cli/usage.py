"""`headrace usage`: what calls came to, of a running gateway or straight from its store."""

import json as json_text
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from headrace.cli.admin_call import AdminKey, NotTold, Url, ask_console

_NOBODY: Final = "http://127.0.0.1:8080"


def usage(
    *,
    url: Url = _NOBODY,
    admin_key: AdminKey = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Read the store that this settings file names, without a gateway."),
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="The first day; 30 days ago by default.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day.")] = None,
    group_by: Annotated[
        str,
        typer.Option(
            help="What to tell apart: day or month, tenant, key, model, provider, cache, intent, "
            "purpose; several with commas."
        ),
    ] = "model",
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    key: Annotated[str | None, typer.Option(help="Only the key of this name.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV in place of a table.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Show what calls came to: how many, their tokens, what they cost, what the cache saved."""
    from headrace.cli.usage_view import show
    from headrace.console.csv_text import csv_text

    given = {"from": first, "to": last, "tenant": tenant, "key": key, "model": model}
    query = {name: value for name, value in given.items() if value is not None}
    query["group_by"] = group_by
    try:
        if config is not None:
            told = _from_store(config, query)
        else:
            told = ask_console(url, f"/admin/usage?{urlencode(query)}", admin_key)
    except NotTold as why:
        typer.echo(f"Not told: {why}", err=True)
        raise typer.Exit(1) from None
    if json:
        typer.echo(json_text.dumps(told, indent=2, ensure_ascii=False))
    elif csv:
        from headrace.console.usage import SUMS

        typer.echo(csv_text(told["data"], (*told["group_by"], *SUMS)), nl=False)
    else:
        show(told)


def _from_store(config: Path, query: Mapping[str, str]) -> dict[str, Any]:
    import asyncio

    from headrace.clock import SystemClock
    from headrace.console.usage import read_group_by, read_question
    from headrace.settings import load_settings
    from headrace.settings.places import data_dir
    from headrace.store.ledger.usage import UsageReader
    from headrace.store.records.open import open_records

    settings, clock = load_settings(config), SystemClock()

    async def read() -> dict[str, Any]:
        url = settings.store.url.reveal()
        records = open_records(url, data_dir(settings), clock=clock)
        reader = UsageReader(records, clock)
        try:
            question = read_question(query, reader.today)
            return await reader.usage(question, read_group_by(query["group_by"]))
        finally:
            await records.close()

    return asyncio.run(read())
