"""`headrace config`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.errors import SettingsInvalid

if TYPE_CHECKING:
    from headrace.settings import ProviderSettings, Settings

app = typer.Typer(no_args_is_help=True, help="Work with settings files.")


@app.callback()
def root() -> None:
    """Work with settings files."""


@app.command(epilog="Example:\n\nheadrace config check headrace.yaml && systemctl reload headrace")
def check(
    file: Annotated[Path, typer.Argument(help="Settings file (YAML).")],
) -> None:
    """Say whether FILE can be served: ok and what it sets, or every problem.

    Problems go to standard error as file:line:column: message, and the exit
    code is 1. Variables that the file reads must be set, as for serve.
    """
    from headrace.app import check_files
    from headrace.cli.notes import notes
    from headrace.settings import check_journal, check_listen, load_settings

    try:
        settings = load_settings(file, for_serving=True)
    except SettingsInvalid as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from None
    try:
        check_listen(settings)
        check_journal(settings.ledger, settings.listen.workers)
        check_files(settings)
    except SettingsInvalid as error:
        typer.echo(f"{file}: {error.message}", err=True)
        raise typer.Exit(1) from None
    typer.echo("ok")
    for line in summary(settings):
        typer.echo(line)
    for notice in notes(settings):
        typer.echo(f"note: {notice}")


def summary(settings: "Settings") -> Iterator[str]:
    """What `settings` amount to, as aligned lines without any credential."""
    providers = [
        (name, provider.dialect, provider.base_url, _credential(provider))
        for name, provider in settings.providers.items()
    ]
    models = [
        (
            name,
            ", ".join(each.target for each in model.targets),
            model.balance,
            "priced" if model.price else "no price",
        )
        for name, model in settings.models.items()
    ]
    yield from _table(("PROVIDER", "DIALECT", "BASE URL", "CREDENTIAL"), providers)
    if models:
        yield from _table(("MODEL", "TARGETS", "BALANCE", "PRICE"), models)
    if settings.tiers:
        yield from _table(("TIERS", "MODELS", "BY", "MODE"), list(_tiers(settings)))
    if settings.experiments:
        yield from _table(("EXPERIMENT", "MODEL", "ARMS", "UNIT"), list(_experiments(settings)))
    yield from _table(("BOUND", "VALUE"), _bounds(settings))


def _tiers(settings: "Settings") -> Iterator[tuple[str, str, str, str]]:
    for name, tiers in settings.tiers.items():
        found = (tiers.cheap, tiers.standard, tiers.strong)
        models = " < ".join(each.model for each in found if each is not None)
        goals = (
            ("cheap_share", tiers.cheap_share),
            ("quality", tiers.quality),
            ("cheap_below", tiers.cheap_below),
        )
        by = next(f"{goal} {value:g}" for goal, value in goals if value is not None)
        yield name, models, by, tiers.mode


def _experiments(settings: "Settings") -> Iterator[tuple[str, str, str, str]]:
    for name, each in settings.experiments.items():
        arms = ", ".join(f"{arm.name} {arm.weight:g} ({arm.model})" for arm in each.arms)
        yield name, each.model, arms, each.unit


def _credential(provider: "ProviderSettings") -> str:
    if provider.api_keys:
        return f"{len(provider.api_keys)} keys"
    return "key" if provider.api_key else "no key"


def _bounds(settings: "Settings") -> list[tuple[str, str]]:
    listen, cache = settings.listen, settings.cache
    scheme = "http" if listen.tls is None else "https"
    memory = f"{cache.memory_mb} MB, {cache.entries_max} entries, {cache.ttl_s:g} s"
    return [
        ("listen", f"{scheme}://{listen.host}:{listen.port}, workers: {listen.workers}"),
        ("keys", str(len(settings.keys)) if settings.keys else "none: open to this machine"),
        ("connections", str(listen.connections_max)),
        ("requests in flight", str(listen.requests_max)),
        ("request body", f"{listen.body_bytes_max} bytes"),
        ("cache", f"{memory}, {cache.policy}" if cache.enabled else "off"),
        *(_cache_parts(settings) if cache.enabled else ()),
        *([("templates", settings.templates.path)] if settings.templates.path else ()),
    ]


def _cache_parts(settings: "Settings") -> Iterator[tuple[str, str]]:
    """The parts of the cache that are not there unless they are asked for."""
    cache, semantic = settings.cache, settings.cache.semantic
    if cache.shared is not None:
        yield "shared cache", f"prefix {cache.shared_prefix}, {cache.tier_timeout_ms} ms"
    if cache.durable:
        kind = "sqlite" if settings.store.url.reveal() == "sqlite" else "postgresql"
        yield "durable cache", f"{kind}, {cache.durable_mb} MB"
    if cache.adaptive.enabled:
        share = cache.adaptive.check_share
        yield "learnt lifetimes", f"{share:.1%} of hits are checked, each a paid call"
    if cache.warm is not None:
        when = f"{cache.warm.at} UTC" if cache.warm.at else f"every {cache.warm.every_s:g} s"
        most = "any cost" if cache.warm.usd_max is None else f"at most ${cache.warm.usd_max:g}"
        yield "warmed prompts", f"{cache.warm.file}, {when}, {most}"
    if cache.reuse.enabled:
        low_s, high_s = cache.reuse.ttl_s_min, cache.reuse.ttl_s_max
        stay = "" if low_s is None else f", for {low_s:g} to {high_s:g} s"
        yield "learnt reuse", f"a full memory takes in what is worth its room{stay}"
    if cache.prefetch.usd_per_hour:
        yield "prefetch", f"at most ${cache.prefetch.usd_per_hour:g} an hour"
    if semantic.enabled:
        judge = semantic.judge or "none"
        yield "answers by meaning", f"{semantic.mode}, {semantic.embedder}, judge: {judge}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    yield ""
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
