"""`headrace serve`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

if TYPE_CHECKING:
    from headrace.settings import Settings

EPILOG: Final = """Examples:

OPENAI_API_KEY=... headrace serve

headrace serve --config headrace.yaml --workers 4

OPENAI_BASE_URL=http://127.0.0.1:9100/v1 headrace serve --port 8081"""


def serve(
    *,
    config: Annotated[
        Path | None,
        typer.Option(help="Settings file (YAML).", metavar="FILE"),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; others than loopback want keys.  \\[127.0.0.1]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one.  \\[8080]", min=0, max=65535),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes on the one port.  \\[1]", min=1, max=256),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Directory for what must survive a restart.", metavar="DIR"),
    ] = None,
) -> None:
    """Run the gateway: point the base URL of your OpenAI or Anthropic SDK at it.

    Without a file the providers are those whose variables are set:
    OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY ..., and *_BASE_URL.
    Options win over the file.

    It is ready when GET /readyz answers 200. SIGTERM finishes what runs,
    SIGHUP reloads the file.
    """
    from headrace.cli.notes import notes
    from headrace.identity.key_start import needs_keys
    from headrace.settings import (
        check_journal,
        check_listen,
        from_environment,
        is_loopback,
        load_settings,
    )

    def load(*, is_start: bool = False) -> "Settings":
        settings = from_environment(os.environ) if config is None else load_settings(config)
        settings = override(settings, host=host, port=port, workers=workers, data_dir=data_dir)
        if not (is_loopback(settings.listen.host) or needs_keys(settings, asks_store=is_start)):
            check_listen(settings)
        check_journal(settings.ledger, settings.listen.workers)
        return settings

    settings = load(is_start=True)
    for notice in notes(settings):
        typer.echo(f"headrace: {notice}", err=True)

    from headrace import app

    raise typer.Exit(app.serve(settings, load))


def override(
    settings: "Settings",
    *,
    host: str | None,
    port: int | None,
    workers: int | None,
    data_dir: Path | None,
) -> "Settings":
    """`settings` with the options that were given in place of what they name."""
    wanted = {"host": host, "port": port, "workers": workers}
    listen: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    return msgspec.structs.replace(
        settings,
        listen=msgspec.structs.replace(settings.listen, **listen),
        data_dir=settings.data_dir if data_dir is None else str(data_dir),
    )
