"""The command line. Every command imports what it runs only when it runs."""

import sys
from typing import Annotated, Final

import typer

from headrace.cli import (
    batch,
    bench,
    cache,
    config,
    db,
    intent,
    jobs,
    keys,
    observe,
    profile,
    route,
    serve,
    showcase,
    sim,
    spending,
    templates,
    usage,
    video,
)
from headrace.errors import HeadraceError
from headrace.version import __version__

app = typer.Typer(
    name="headrace",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"headrace {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Start with [bold]headrace demo[/bold]: it needs no API key and no file.\n\n"
    "Then set OPENAI_API_KEY, run [bold]headrace serve[/bold],\n\n"
    "and give your SDK the base URL http://127.0.0.1:8080/v1"
)
def root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Makes calls to language models fast, cheap and dependable.

    Headrace stands between your application and its providers and speaks their
    API: repeats come from memory, identical calls in flight are made once,
    everything is measured.
    """


@app.command(epilog="Example:  headrace demo --once")
def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End after the workload instead of staying up.")
    ] = False,
    port: Annotated[
        int, typer.Option(help="Port of the gateway; 0 takes a free one.", min=0, max=65535)
    ] = 0,
) -> None:
    """See it work: simulated provider, gateway and a short workload, all on this machine."""
    from headrace.cli.demo import run

    run(once=once, port=port)


app.command(epilog=serve.EPILOG)(serve.serve)
app.command(epilog=sim.EPILOG)(sim.sim)
app.command(epilog=showcase.EPILOG)(showcase.showcase)
app.command(epilog=batch.EPILOG)(batch.batch)
app.command(epilog=profile.EPILOG)(profile.profile)
app.command()(spending.spend)
app.command()(usage.usage)
app.command(epilog=video.EPILOG)(video.video)
app.add_typer(bench.app, name="bench")
app.add_typer(cache.app, name="cache")
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.add_typer(intent.app, name="intent")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(observe.app, name="observe")
app.add_typer(route.app, name="route")
app.add_typer(templates.app, name="templates")


_COMMAND: Final = typer.main.get_command(app)


def _refusal(error: OSError) -> str:
    """What the machine refused, in words: the file first, where there is one, and no number."""
    words = error.strerror or str(error)
    return words if error.filename is None else f"{error.filename}: {words}"


def main() -> None:
    """The `headrace` command: what went wrong is told in words, without a traceback."""
    try:
        _COMMAND()
    except HeadraceError as error:
        typer.echo(f"headrace: {error.message}", err=True)
        sys.exit(1)
    except OSError as error:
        # What the machine refuses, such as a port that is taken; the text names it.
        typer.echo(f"headrace: {_refusal(error)}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
