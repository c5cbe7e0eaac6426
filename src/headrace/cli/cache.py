"""`headrace cache`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from headrace.cli import cache_purge, cache_warm

app = typer.Typer(no_args_is_help=True, help="Work with the cache.")
app.command()(cache_purge.purge)
app.command(epilog=cache_warm.EPILOG)(cache_warm.warm)

_SIMULATE_EPILOG: Final = """Examples:

headrace cache simulate --synthetic --drift mild

headrace cache simulate requests.jsonl.gz --capacity 500MB --capacity 10% --plot policies.html

The format of a trace, and what the numbers mean: docs/cache-simulation.md"""

_Trace = Annotated[
    str | None,
    typer.Argument(
        help="File of requests: JSON lines in our format or in Mooncake's, .gz too; - reads "
        "standard input.",
        show_default=False,
    ),
]
_Synthetic = Annotated[bool, typer.Option("--synthetic", help="Make up the requests instead.")]
_Drift = Annotated[
    str, typer.Option(help="How fast made-up requests change: none, mild or strong.")
]
_Requests = Annotated[int, typer.Option(help="Requests to make up.", min=1, max=5_000_000)]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="What is made up, such as zipf=1.1; repeatable."
    ),
]
_Seeds = Annotated[int, typer.Option(help="How often to make them up.", min=1, max=1000)]
_Seed = Annotated[int, typer.Option(help="The first of the seeds.", min=0)]
_Capacity = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SIZE",
        help="Size of the cache, repeatable: 500MB, or 2% of what all answers take together.",
        show_default="2%, 10%",
    ),
]
_Policy = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only this policy; repeatable.", show_default="all"),
]
_PriceInput = Annotated[
    float, typer.Option(help="Mooncake traces: dollars per million tokens asked.", min=0)
]
_PriceOutput = Annotated[
    float, typer.Option(help="Mooncake traces: dollars per million tokens answered.", min=0)
]
_Limit = Annotated[
    int, typer.Option(help="Read no more requests than this.", min=1, max=50_000_000)
]
_Plot = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Write a chart (extra 'charts').")
]
_Json = Annotated[Path | None, typer.Option(metavar="FILE", help="Write every number as JSON.")]


@app.callback()
def root() -> None:
    """Work with the cache."""


@app.command(epilog=_SIMULATE_EPILOG)
def simulate(
    trace: _Trace = None,
    *,
    synthetic: _Synthetic = False,
    drift: _Drift = "mild",
    requests: _Requests = 120_000,
    set_: _Set = None,
    seeds: _Seeds = 5,
    seed: _Seed = 1,
    capacity: _Capacity = None,
    policy: _Policy = None,
    price_input: _PriceInput = 2.5,
    price_output: _PriceOutput = 10.0,
    limit: _Limit = 5_000_000,
    plot: _Plot = None,
    json: _Json = None,
) -> None:
    """Replay the requests of TRACE through every eviction policy.

    Prints what each would have saved: hit rate, byte hit rate and dollars,
    beside the most that any policy could save. Requests that are made up
    come from several seeds, which gives every number its 95 % interval.
    """
    from headrace.cli.cache_simulate import Wish, run

    run(
        Wish(
            trace=trace,
            is_synthetic=synthetic,
            drift=drift,
            requests=requests,
            workload=tuple(set_ or ()),
            seeds=tuple(range(seed, seed + seeds)),
            capacities=tuple(capacity or ()),
            policies=tuple(policy or ()),
            input_usd=price_input,
            output_usd=price_output,
            events_max=limit,
            plot=plot,
            json=json,
        )
    )
