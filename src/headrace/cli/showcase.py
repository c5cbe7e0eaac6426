"""`headrace showcase`: its options."""

from pathlib import Path
from typing import Annotated, Final

import typer

from headrace.errors import SettingsInvalid

EPILOG: Final = """Examples:  headrace showcase --quick

headrace showcase --blocks 20 --out results"""


def showcase(
    *,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Under two minutes: short trials, few of each part alone."),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for the report; made where it is missing.")
    ] = Path("headrace-showcase"),
    blocks: Annotated[
        int | None,
        typer.Option(help="Pairs of trials, however long they take.", min=1, max=1000),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes schedules and orders repeat.", min=0)] = 1,
) -> None:
    """Show what Headrace is worth: everything off against everything on, and each part alone.

    Pairs of trials in random order, each with a fresh gateway and a simulated
    model, on this machine. It writes one HTML page that needs nothing else,
    the same in short as Markdown, and the figures as JSON.

    No verdict comes from fewer than 6 pairs: what is open says so.
    """
    try:
        from headrace.cli.showcase_run import Wish, run
    except ModuleNotFoundError as missing:
        raise SettingsInvalid(
            f"{missing.name} is not installed. Install what it needs: pip install 'headrace[bench]'"
        ) from None

    run(Wish(quick=quick, out=out, blocks=blocks, seed=seed))
