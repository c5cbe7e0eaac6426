"""Asking a running gateway about jobs."""

import json
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, NoReturn

import typer

_TIMEOUT_S: Final = 30.0

Url = Annotated[str, typer.Option("--url", help="Where the gateway listens.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="HEADRACE_KEY",
        help="A key of the gateway; better in the environment than on a command line.",
    ),
]


def refuse(why: str) -> NoReturn:
    """Say what is wrong, and end."""
    typer.echo(f"headrace: {why}", err=True)
    raise typer.Exit(1)


class Gateway:
    """A running gateway.

    Args:
        url: where it listens.
        key: of the gateway, where it wants one.
    """

    def __init__(self, url: str, key: str | None) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise typer.BadParameter("the address begins with http:// or https://")
        self._url = url.rstrip("/")
        self._key = key

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What it answers; what it refuses is told, and ends the command."""
        with self._open(method, path, body) as answer:
            return json.load(answer)

    def page(self, wanted: Mapping[str, str]) -> Any:
        """A page of jobs."""
        query = urllib.parse.urlencode({name: value for name, value in wanted.items() if value})
        return self.ask("GET", f"/v1/jobs?{query}")

    def events(self, job: str) -> Iterator[tuple[str, Any]]:
        """What happens to a job, until it ends or the stream does."""
        with self._open("GET", f"/v1/jobs/{job}/events") as answer:
            name = ""
            for line in answer:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)

    def _open(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        import urllib.error
        import urllib.request

        request = urllib.request.Request(  # noqa: S310  # http(s) only, checked
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        if self._key:
            request.add_header("authorization", f"Bearer {self._key}")
        try:
            return urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310
        except urllib.error.HTTPError as refused:
            with refused:
                refuse(_message(refused.read()))
        except (OSError, ValueError) as error:
            refuse(f"no gateway answers there: {error}")


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
