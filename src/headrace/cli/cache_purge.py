"""`headrace cache purge`: tell a running gateway to forget answers."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Annotated

import typer

TIMEOUT_S = 30.0

Key = Annotated[
    str | None, typer.Option("--key", help="One answer: the `x-headrace-key` it came with.")
]
Tag = Annotated[
    str | None, typer.Option("--tag", help="Answers with this name in `x-headrace-tags`.")
]
Model = Annotated[str | None, typer.Option("--model", help="Answers of PROVIDER/MODEL.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Answers of one tenant.")]
Everything = Annotated[bool, typer.Option("--all", help="Every answer.")]
Url = Annotated[str, typer.Option("--url", help="Where the gateway listens.")]
AdminKey = Annotated[
    str | None,
    typer.Option(
        "--admin-key",
        envvar="HEADRACE_ADMIN_KEY",
        help="A key with `admin: true`; better in the environment than on a command line.",
    ),
]


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
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise typer.BadParameter("the address begins with http:// or https://", param_hint="--url")
    typer.echo(_ask(f"{url.rstrip('/')}/admin/cache?{urllib.parse.urlencode(query)}", admin_key))


def _ask(address: str, admin_key: str | None) -> str:
    request = urllib.request.Request(address, method="DELETE")  # noqa: S310  # http(s) only, checked
    if admin_key:
        request.add_header("authorization", f"Bearer {admin_key}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            told = json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            raise _failed(_message(refused.read())) from None
    except (OSError, ValueError) as error:
        raise _failed(f"no gateway answers there: {error}") from None
    return f"Purged {told['purged']} ({told['reach']})."


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


def _failed(why: str) -> typer.Exit:
    typer.echo(f"Not purged: {why}", err=True)
    return typer.Exit(1)
