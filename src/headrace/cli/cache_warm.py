"""`headrace cache warm`: have a running gateway ask ahead what callers will ask."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from headrace.cache.warm_file import Prompt
    from headrace.cli.cache_warm_lines import Address

INTERRUPTED: Final = 130

EPILOG: Final = """Examples:

headrace cache warm prompts.jsonl --dry-run

headrace cache warm prompts.jsonl --url http://127.0.0.1:8080 --concurrency 8

A line of FILE is a whole request of OpenAI's or Anthropic's dialect, or a prompt:

{"prompt": "What is a mill race?", "model": "gpt-4o-mini"}

"dialect", "tags" (an array) and "ttl_s" beside it are not sent. More: docs/cache.md"""

File = Annotated[
    str, typer.Argument(metavar="FILE", help="Requests, one JSON object a line; - reads stdin.")
]
Url = Annotated[str, typer.Option("--url", help="Where the gateway listens.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="HEADRACE_KEY",
        help="A key of the gateway: its tenant will have the answers. Better in the environment "
        "than on a command line.",
    ),
]
Concurrency = Annotated[int, typer.Option("--concurrency", help="Requests at once.", min=1, max=64)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what is there and what would be asked.")
]


def warm(
    file: File,
    url: Url = "http://127.0.0.1:8080",
    key: Key = None,
    concurrency: Concurrency = 4,
    dry_run: DryRun = False,
) -> None:
    """Send the requests of FILE to a running gateway, so that callers find the answers.

    What is stored and fresh costs nothing and is not asked again, so that a
    run that was interrupted (Ctrl-C) goes on where it was. The exit code is 1
    where a request failed, or an answer may not be stored.
    """
    from headrace.cli.cache_warm_lines import parse_address
    from headrace.settings.values import credential_problem

    try:
        address = parse_address(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    if key is not None and (problem := credential_problem(key)):
        raise typer.BadParameter(problem, param_hint="--key")
    prompts = _read(file)
    _find(address, url)
    raise typer.Exit(_run(address, key or None, prompts, concurrency, is_probe=dry_run))


def _read(name: str) -> "tuple[Prompt, ...]":
    from headrace.cache.warm_file import WarmFileInvalid, read_prompts

    try:
        if name == "-":
            return read_prompts(sys.stdin.buffer, "standard input")
        with Path(name).open("rb") as file:
            return read_prompts(file, name)
    except WarmFileInvalid as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from None


def _find(address: "Address", url: str) -> None:
    """Make sure that a gateway is there, before anything is sent to a stranger."""
    from headrace.cli.cache_warm_lines import Line, Unreachable

    line = Line(address, None)
    try:
        reply = line.get("/healthz")
    except Unreachable as error:
        typer.echo(
            f"No gateway answers at {url}: {error.message}. Start one with `headrace serve`, or "
            "say where it is with --url.",
            err=True,
        )
        raise typer.Exit(1) from None
    finally:
        line.close()
    if reply.status != 200 or b'"status"' not in reply.body:
        typer.echo(f"What answers at {url} is not a Headrace gateway.", err=True)
        raise typer.Exit(1)


def _run(
    address: "Address",
    key: str | None,
    prompts: "tuple[Prompt, ...]",
    concurrency: int,
    *,
    is_probe: bool,
) -> int:
    from rich.console import Console

    from headrace.cli.cache_warm_crew import Crew
    from headrace.cli.cache_warm_view import Bar, Summary, show

    crew = Crew(address, key, prompts, concurrency=concurrency, is_probe=is_probe)
    summary = Summary(len(prompts), is_probe=is_probe)
    is_interrupted = False
    try:
        with Bar(summary, Console(stderr=True)) as bar:
            for outcome in crew.outcomes():
                summary.add(outcome)
                bar.move()
    except KeyboardInterrupt:
        is_interrupted = True
        crew.stop()
    show(summary, Console())
    if is_interrupted:
        typer.echo("Interrupted; run it again to go on.", err=True)
        return INTERRUPTED
    return 0 if summary.is_good else 1
