"""`headrace keys create`, `list`, `show`, `revoke` and `rotate`."""

import json as json_text
import re
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from headrace.cli.admin_call import AdminKey, NotTold
from headrace.cli.key_access import GatewayKeys, KeyAccess, StoredKeys, Told

_UNITS_S: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LIFE: Final = re.compile(r"(\d{1,9})([smhd])")
_NEVER: Final = "never"
_FOR_EVER_S: Final = inf
_PAGE: Final = 100

Result = TypeVar("Result")

GatewayUrl = Annotated[
    str | None,
    typer.Option("--url", help="Ask a gateway that runs, in place of the store itself."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file that names the store.", metavar="FILE"),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Directory of the store, if it is a file.", metavar="DIR"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[str, typer.Argument(help="Id or name of the key.")]
Name = Annotated[str | None, typer.Option(help="What logs and books call it.")]
Tenant = Annotated[str | None, typer.Option(help="Whose it is.  \\[default]")]
Expires = Annotated[
    str | None,
    typer.Option(help="How long it lives: 30d, 12h, 15m, 90s, or never.", metavar="TIME"),
]
Admin = Annotated[bool, typer.Option("--admin", help="It may use /admin/.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model that it may ask for, as gpt-4o*; several are allowed."),
]
Requests = Annotated[float | None, typer.Option("--requests-per-minute", help="Requests.")]
Tokens = Annotated[float | None, typer.Option("--tokens-per-minute", help="Tokens, in and out.")]
Concurrent = Annotated[int | None, typer.Option("--concurrent", help="Requests at once.")]
DayUsd = Annotated[float | None, typer.Option("--day-usd", help="Dollars that a day may cost.")]
MonthUsd = Annotated[float | None, typer.Option("--month-usd", help="Dollars for a month.")]
SoftShare = Annotated[
    float | None, typer.Option("--soft-share", help="Part of them from which it is soft.")
]
Cheaper = Annotated[str | None, typer.Option("--cheaper", help="The model that is asked then.")]


def add_to(app: typer.Typer) -> None:
    """Make these commands those of an application."""
    app.command()(create)
    app.command("list")(list_keys)
    app.command()(show)
    app.command()(revoke)
    app.command()(rotate)


def create(
    *,
    name: Name = None,
    tenant: Tenant = None,
    expires: Expires = None,
    admin: Admin = False,
    model: Models = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: Tokens = None,
    concurrent: Concurrent = None,
    day_usd: DayUsd = None,
    month_usd: MonthUsd = None,
    soft_share: SoftShare = None,
    cheaper: Cheaper = None,
    url: GatewayUrl = None,
    admin_key: AdminKey = None,
    config: Config = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Make a key and print it, once: what is kept is its digest.

    Gateways that use the store know it within a second. The first key of all
    closes a gateway that was open.
    """
    wish = _wish(
        name=name,
        tenant=tenant,
        expires_s=None if expires is None else _life_s(expires),
        admin=admin or None,
        models=model,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        concurrent=concurrent,
        day_usd=day_usd,
        month_usd=month_usd,
        soft_share=soft_share,
        cheaper=cheaper,
    )
    made = _done(url, admin_key, config, data_dir, lambda keys: keys.create(wish))
    _print_new(made, as_json=json)


def list_keys(
    *,
    tenant: Annotated[str | None, typer.Option(help="Those of one tenant only.")] = None,
    url: GatewayUrl = None,
    admin_key: AdminKey = None,
    config: Config = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Show the keys of the store, revoked ones as well."""
    found = _done(url, admin_key, config, data_dir, lambda keys: _all(keys, tenant))
    if json:
        typer.echo(json_text.dumps(found, indent=2, ensure_ascii=False))
        return
    from headrace.cli.key_view import show_keys

    show_keys(found)


def show(
    key: Which,
    *,
    url: GatewayUrl = None,
    admin_key: AdminKey = None,
    config: Config = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Show what a key may, and when it was used last."""
    _print_key(_done(url, admin_key, config, data_dir, lambda keys: keys.show(key)), as_json=json)


def revoke(
    key: Which,
    *,
    url: GatewayUrl = None,
    admin_key: AdminKey = None,
    config: Config = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Take a key away, for good: within a second no gateway knows it any more."""
    _print_key(_done(url, admin_key, config, data_dir, lambda keys: keys.revoke(key)), as_json=json)


def rotate(
    key: Which,
    *,
    grace: Annotated[
        str, typer.Option(help="How long the old key works as well.", metavar="TIME")
    ] = "1d",
    url: GatewayUrl = None,
    admin_key: AdminKey = None,
    config: Config = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Put another key in the place of one, and print it, once."""
    grace_s = _life_s(grace)
    if grace_s == _FOR_EVER_S:
        raise typer.BadParameter("an old key ends some day: expected a time such as 1d, or 0s")
    made = _done(url, admin_key, config, data_dir, lambda keys: keys.rotate(key, grace_s))
    _print_new(made, as_json=json)


def _done(
    url: str | None,
    admin_key: str | None,
    config: Path | None,
    data_dir: Path | None,
    work: Callable[[KeyAccess], Result],
) -> Result:
    try:
        return work(_access(url, admin_key, config, data_dir))
    except NotTold as why:
        typer.echo(f"Not done: {why}", err=True)
        raise typer.Exit(1) from None


def _all(keys: KeyAccess, tenant: str | None) -> list[Told]:
    found: list[Told] = []
    after: str | None = None
    while True:
        page = keys.page(after, _PAGE, tenant)
        found.extend(page["data"])
        after = page["last_id"]
        if not page["has_more"]:
            return found


def _access(
    url: str | None, admin_key: str | None, config: Path | None, data_dir: Path | None
) -> KeyAccess:
    if url is not None:
        return GatewayKeys(url, admin_key)
    import os

    from headrace.settings import StoreSettings, load_settings
    from headrace.settings.places import data_dir as data_dir_of
    from headrace.settings.places import default_data_dir

    if config is not None:
        settings = load_settings(config)
        return StoredKeys(settings.store.url.reveal(), data_dir or data_dir_of(settings))
    folder = data_dir or default_data_dir(os.environ, Path.home())
    return StoredKeys(StoreSettings().url.reveal(), folder)


def _wish(**said: Any) -> dict[str, Any]:
    wish = {name: value for name, value in said.items() if value is not None}
    if wish.get("expires_s") == 0:
        raise typer.BadParameter("a key that ends at once: expected a time such as 30d, or never")
    if wish.get("expires_s") == _FOR_EVER_S:
        wish["expires_s"] = None
    return wish


def _life_s(text: str) -> float:
    """Seconds; without end for ever."""
    if text == _NEVER:
        return _FOR_EVER_S
    found = _LIFE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"'{text}': expected a time such as 30d, 12h, 15m or 90s")
    return float(int(found[1]) * _UNITS_S[found[2]])


def _print_new(made: Told, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json_text.dumps(made, indent=2, ensure_ascii=False))
        return
    from headrace.cli.key_view import show_key

    # Beside the output, which is the key and nothing else.
    show_key(made, beside=True)
    typer.echo("The key, which is shown this once:", err=True)
    typer.echo(made["key"])


def _print_key(key: Told, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json_text.dumps(key, indent=2, ensure_ascii=False))
        return
    from headrace.cli.key_view import show_key

    show_key(key)
