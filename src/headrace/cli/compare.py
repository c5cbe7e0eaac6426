"""`headrace bench compare`: its options."""

from pathlib import Path
from typing import Annotated, Final

import typer

from headrace.cli import bench_extra
from headrace.cli.bench_options import (
    AsJson,
    Consent,
    KeyVariable,
    Level,
    Margin,
    Short,
    Spin,
    Workers,
)

EPILOG: Final = """Examples:

headrace bench compare main . --blocks 12

headrace bench compare plain.yaml cached.yaml --plan mine.yaml --metric p95_ms --margin 5"""

_WHAT: Final = "a commit of this checkout, a settings FILE.yaml, http://HOST:PORT, or . (this one)"


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=f"The baseline: {_WHAT}.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What is compared with it, likewise.")],
    *,
    plan: Annotated[str, typer.Option(help="What each trial runs: a plan's name or file.")] = (
        "compare"
    ),
    short: Short = False,
    blocks: Annotated[int, typer.Option(help="Trials of each arm.", min=1, max=1000)] = 10,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="What to compare: NAME, or NAME:higher. CPU, p50 and throughput."),
    ] = None,
    margin: Margin = 2.0,
    level: Level = 95.0,
    seed: Annotated[int, typer.Option(help="Of the order and the bootstrap.", min=0)] = 1,
    workers: Workers = 1,
    spin: Spin = False,
    out: Annotated[Path | None, typer.Option(help="File of JSON lines for the trials.")] = None,
    json: AsJson = False,
    api_key_env: KeyVariable = None,
    i_may_load_this_host: Consent = False,
) -> None:
    """Say whether B is better than A, by trials made in turn, each with a fresh gateway.

    Every block tries both, in an order that chance chose. Ends with 0 where no
    metric is worse, with 1 where one is, with 3 where that is open, and with
    130 where it was interrupted: what there was has been shown.
    """
    bench_extra.require()
    from headrace.bench.trials.trial import Conditions
    from headrace.cli import compare_run
    from headrace.cli.bench_plan import PlanWish
    from headrace.cli.bench_run import credential_of

    how = Conditions(
        workers=workers,
        spins=spin,
        credential=credential_of(api_key_env),
        is_consented=i_may_load_this_host,
    )
    what, metrics = PlanWish(plan=plan, short=short), tuple(metric or ())
    compare_run.run(
        compare_run.CompareWish(a, b, what, blocks, metrics, margin, level, seed, out, json, how)
    )
