"""Asking the console of a running gateway."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

TIMEOUT_S = 30.0

Url = Annotated[str, typer.Option("--url", help="Where the gateway listens.")]
AdminKey = Annotated[
    str | None,
    typer.Option(
        "--admin-key",
        envvar="HEADRACE_ADMIN_KEY",
        help="A key with `admin: true`; better in the environment than on a command line.",
    ),
]


class NotTold(Exception):
    """There was no answer, or it is a refusal; the message says why."""


def ask_console(
    url: str,
    path: str,
    admin_key: str | None,
    method: str = "GET",
    document: Mapping[str, Any] | None = None,
) -> Any:
    """What the console says.

    Args:
        url: where the gateway listens.
        path: what is asked, with its query.
        admin_key: of an administrator, where keys are set.
        method: of the request.
        document: its body, as JSON.

    Raises:
        NotTold: it says nothing, or no.
        typer.BadParameter: the address is none.
    """
    import urllib.error
    import urllib.parse
    import urllib.request

    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise typer.BadParameter("the address begins with http:// or https://", param_hint="--url")
    address = url.rstrip("/") + path
    body = None if document is None else json.dumps(document).encode()
    headers = {} if body is None else {"content-type": "application/json"}
    request = urllib.request.Request(  # noqa: S310  # http(s) only, checked
        address, body, headers, method=method
    )
    if admin_key:
        request.add_header("authorization", f"Bearer {admin_key}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            raise NotTold(_message(refused.read())) from None
    except (OSError, ValueError) as error:
        raise NotTold(f"no gateway answers there: {error}") from None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
