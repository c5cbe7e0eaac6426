"""`headrace templates`."""

from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(no_args_is_help=True, help="Work with templates: prompts as files.")

_Folder = Annotated[
    Path, typer.Option("--dir", "-d", metavar="DIR", help="The directory of templates.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
_DIR: Final = Path("prompts")

_CHECK_EPILOG: Final = """Example, before a reload:

headrace templates check --dir prompts && systemctl reload headrace"""
_RENDER_EPILOG: Final = """Examples:

headrace templates render support/reply@production --set message="Where is my parcel?"

headrace templates render classify --variables ticket.json --json

A value of --set that is JSON (a number, true, a list) is read as such; other values are texts.
What the template takes: headrace templates list."""
_DIFF_EPILOG: Final = """Examples:

headrace templates diff support/reply 1 2

headrace templates diff support/reply production latest

The exit code is 0 where both are the same, and 1 where they differ."""


@app.callback()
def root() -> None:
    """Work with templates: prompts as files, with variables, versions and labels.

    What such a file looks like, and what it can do: docs/templates.md
    """


@app.command("list", epilog="Example:  headrace templates list --dir prompts")
def list_(*, folder: _Folder = _DIR, json: _Json = False) -> None:
    """Show every template: its numbers, labels, and the variables it takes."""
    from headrace.cli.templates_view import show_list

    show_list(folder, as_json=json)


@app.command(epilog=_CHECK_EPILOG)
def check(*, folder: _Folder = _DIR, json: _Json = False) -> None:
    """Say whether every file can be used: ok, or every problem with its line.

    Problems go to standard error as file:line: message, and the exit code is
    1. Variables that are declared and never used are noted.
    """
    from headrace.cli.templates_view import show_check

    show_check(folder, as_json=json)


@app.command(epilog=_RENDER_EPILOG)
def render(
    name: Annotated[str, typer.Argument(help="name, name@label or name@3.")],
    *,
    folder: _Folder = _DIR,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="A variable; repeatable."),
    ] = None,
    variables: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Variables as a JSON object; - reads standard input."),
    ] = None,
    json: _Json = False,
) -> None:
    """Print the messages of NAME for some variables; nothing is asked of any model."""
    from headrace.cli.templates_view import show_rendered

    show_rendered(folder, name, values or [], variables, as_json=json)


@app.command(epilog=_DIFF_EPILOG)
def diff(
    name: Annotated[str, typer.Argument(help="The template.")],
    old: Annotated[str, typer.Argument(help="A number or a label.")],
    new: Annotated[str, typer.Argument(help="Another one.")] = "latest",
    *,
    folder: _Folder = _DIR,
    json: _Json = False,
) -> None:
    """Show what changed between two versions of NAME."""
    from headrace.cli.templates_view import show_diff

    show_diff(folder, name, old, new, as_json=json)
