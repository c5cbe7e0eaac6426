"""`headrace bench gate`: its options."""

from pathlib import Path
from typing import Annotated, Final

import typer

from headrace.cli import bench_extra
from headrace.cli.bench_options import AsJson

EPILOG: Final = """Examples:

headrace bench gate --budgets benchmarks/budgets.yaml

headrace bench gate --budgets benchmarks/budgets.yaml --against main --history gates.jsonl"""


def gate(
    *,
    budgets: Annotated[
        Path, typer.Option(help="YAML file of what each figure may be.", metavar="FILE")
    ],
    against: Annotated[
        str | None, typer.Option(help="A commit to compare with as well.", metavar="COMMIT")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines: adds what it came to, and tells where figures broke.", metavar="FILE"
        ),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="How often all is measured; the file says.", min=1, max=1000)
    ] = None,
    json: AsJson = False,
) -> None:
    """Hold this version against budgets: CPU time, memory, start, latency, throughput.

    Every bar is a ratio to nginx, to a loop, or to a bare interpreter, measured
    in the same minutes on the same machine. Ends with 0 where every bar is kept,
    with 1 where one is broken for certain or this version failed in every block,
    with 3 where that is open, and with 130 where it was interrupted.
    """
    bench_extra.require()
    from headrace.cli import gate_run

    gate_run.run(
        gate_run.GateWish(
            budgets=budgets, against=against, history=history, blocks=blocks, json=json
        )
    )
