"""`headrace route`."""

from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(no_args_is_help=True, help="Work with the choice of models.")

_EPILOG: Final = """Example:

headrace route calibrate answers.jsonl --out weights.json

where a line is  {"request": {"messages": [...]}, "good": true}

and then in the settings file  complexity: {weights: weights.json}"""


@app.callback()
def root() -> None:
    """Work with the choice of models."""


@app.command(epilog=_EPILOG)
def calibrate(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="File of labelled lines; - is standard input.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the weights, as JSON.")
    ] = None,
    limit: Annotated[
        int, typer.Option(help="Read no more lines than this.", min=1, max=200_000)
    ] = 50_000,
) -> None:
    """Learn from LOG which requests the cheap model is good enough for.

    Each line holds a request, or its features, and whether the cheap model's
    answer was good enough. Prints how well difficulty can be told, measured on
    requests that were not learnt from.
    """
    from headrace.cli.route_calibrate import run

    run(log, out, limit)
