"""`headrace intent`."""

from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(no_args_is_help=True, help="Tell what texts want.")

_TRAIN_EPILOG: Final = """Examples:

headrace intent train lines.tsv --out intents.npz

Each line is an intent, a tab and a text, or JSON with text and intent; the intent unknown is for
texts that want none of it. More: docs/routing.md"""

_Lines = Annotated[
    Path, typer.Argument(metavar="FILE", help="Labelled lines: TSV or JSON.", show_default=False)
]
_Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="Weights that train has written.", show_default=False),
]
_Out = Annotated[
    Path | None, typer.Option(metavar="MODEL", help="Write the weights here.", show_default=False)
]
_Seed = Annotated[int, typer.Option(help="Of the parts that are tried on, and the order.", min=0)]
_Text = Annotated[str, typer.Argument(help="A text; - reads standard input.", show_default=False)]


@app.callback()
def root() -> None:
    """Tell what texts want."""


@app.command(epilog=_TRAIN_EPILOG)
def train(file: _Lines, *, out: _Out = None, seed: _Seed = 1) -> None:
    """Learn from the labelled lines of FILE, and say how well.

    Each line is tried with weights that have learnt from four fifths of the
    others; those that are written have learnt from all.
    """
    from headrace.cli.intent_run import run_train

    run_train(file, out, seed)


@app.command()
def check(model: _Model, file: _Lines) -> None:
    """Say how well MODEL does on the labelled lines of FILE."""
    from headrace.cli.intent_run import run_check

    run_check(model, file)


@app.command()
def classify(model: _Model, text: _Text) -> None:
    """Say what TEXT wants."""
    from headrace.cli.intent_run import run_classify

    run_classify(model, text)
