"""Options that several commands of `headrace bench` have."""

from typing import Annotated

import typer

Consent = Annotated[
    bool,
    typer.Option("--i-may-load-this-host", help="Load another machine than this: you may."),
]
KeyVariable = Annotated[
    str | None, typer.Option(help="Environment variable that holds the target's key.")
]
Workers = Annotated[int, typer.Option(help="Processes that load.", min=1, max=64)]
Spin = Annotated[
    bool,
    typer.Option("--spin", help="Clients wait on their feet: exact, for a core of their own."),
]
Short = Annotated[bool, typer.Option("--short", help="The plan's short form.")]
Margin = Annotated[
    float, typer.Option(help="The smallest change that matters, in per cent.", min=0.0)
]
Level = Annotated[
    float, typer.Option(help="Level of the intervals, in per cent.", min=50.0, max=99.99)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
