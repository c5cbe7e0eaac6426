"""`headrace db`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from headrace.store.care.place import CarePlace, Subject
    from headrace.store.records.steps import MigrationStep

app = typer.Typer(no_args_is_help=True, help="Look after the store of what must survive.")

Config = Annotated[
    Path | None,
    typer.Option(help="Settings file (YAML) whose store is meant.", metavar="FILE"),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Directory of the file, where no settings say so.", metavar="DIR"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")]


@app.callback()
def root() -> None:
    """Look after the store of what must survive."""


@app.command()
def migrate(*, config: Config = None, data_dir: DataDir = None) -> None:
    """Bring the tables to the version that this Headrace knows.

    The gateway does the same when it starts. Each time it is done whole or not
    at all, under a lock; gateways that run go on meanwhile.
    """
    found: list[int] = []

    def tell(step: "MigrationStep") -> None:
        found.append(step.number)
        typer.echo(f"step {step.number}: {step.title}")

    _place(config, data_dir).migrate(tell)
    typer.echo(f"version {found[-1]}" if found else "nothing to do")


@app.command()
def status(*, config: Config = None, data_dir: DataDir = None, json: AsJson = False) -> None:
    """Show where the store is, its version, what it holds, and who follows it."""
    _tell(_place(config, data_dir), "status", as_json=json)


@app.command()
def check(*, config: Config = None, data_dir: DataDir = None, json: AsJson = False) -> None:
    """Say whether the store is whole; the exit code is 1 where it is not.

    SQLite: everything in the file. PostgreSQL: version, tables and indexes.
    """
    _tell(_place(config, data_dir), "check", as_json=json)


@app.command()
def retry(*, config: Config = None, data_dir: DataDir = None) -> None:
    """Have rows of the ledger tried again that the database refused.

    They go back to the journal, from where the gateway on this machine brings
    them to the store; without one that runs, the next one to start does.
    """
    try:
        rows = _place(config, data_dir).retry_rows()
    except OSError as error:
        typer.echo(f"headrace: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{rows} rows are in the journal again" if rows else "nothing was refused")


@app.command()
def diagnose(*, config: Config = None, data_dir: DataDir = None, json: AsJson = False) -> None:
    """Find out what is slow, and what would help.

    Statements by the time they took, plans of our own, missing and unused
    indexes, dead rows, memory, connections, transactions, locks, standbys.
    """
    _tell(_place(config, data_dir), "diagnose", as_json=json)


def _tell(place: "CarePlace", subject: "Subject", *, as_json: bool) -> None:
    from headrace.cli.db_view import show
    from headrace.store.faults import StoreFault

    try:
        report = place.report(subject)
    except StoreFault as fault:
        typer.echo(f"headrace: {fault.message}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        show(report)
    if subject == "check" and report.has_problems:
        raise typer.Exit(1)


def _place(config: Path | None, folder: Path | None) -> "CarePlace":
    from headrace.settings import StoreSettings, load_settings
    from headrace.settings.places import data_dir, default_data_dir
    from headrace.settings.store import pool_share
    from headrace.store.care.place import CarePlace

    cores = len(os.sched_getaffinity(0))
    if config is None:
        found = folder or default_data_dir(os.environ, Path.home())
        pool_size = pool_share(StoreSettings(), cores, 1)
        return CarePlace(url=StoreSettings().url.reveal(), folder=found, pool_size=pool_size)
    settings = load_settings(config)
    return CarePlace(
        url=settings.store.url.reveal(),
        folder=folder or data_dir(settings),
        replicas=len(settings.store.replicas),
        # Workers share what may be held.
        pool_size=pool_share(settings.store, cores, 1),
    )
