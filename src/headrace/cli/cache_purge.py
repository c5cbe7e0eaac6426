"""`headrace cache purge`: tell a running gateway to forget answers."""

import urllib.parse
from typing import Annotated

import typer

from headrace.cli.admin_call import AdminKey, NotTold, Url, ask_console

Key = Annotated[
    str | None, typer.Option("--key", help="One answer: the `x-headrace-key` it came with.")
]
Tag = Annotated[
    str | None, typer.Option("--tag", help="Answers with this name in `x-headrace-tags`.")
]
Model = Annotated[str | None, typer.Option("--model", help="Answers of PROVIDER/MODEL.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Answers of one tenant.")]
Everything = Annotated[bool, typer.Option("--all", help="Every answer.")]


def purge(
    key: Key = None,
    tag: Tag = None,
    model: Model = None,
    tenant: Tenant = None,
    everything: Everything = False,
    url: Url = "http://127.0.0.1:8080",
    admin_key: AdminKey = None,
) -> None:
    """Make a running gateway, all its workers and its neighbours, forget stored answers."""
    named = {"key": key, "tag": tag, "model": model, "tenant": tenant}
    query = {name: value for name, value in named.items() if value}
    if everything:
        query["all"] = "true"
    if len(query) != 1:
        raise typer.BadParameter("say one of --key, --tag, --model, --tenant and --all")
    path = f"/admin/cache?{urllib.parse.urlencode(query)}"
    try:
        told = ask_console(url, path, admin_key, "DELETE")
    except NotTold as why:
        typer.echo(f"Not purged: {why}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Purged {told['purged']} ({told['reach']}).")
