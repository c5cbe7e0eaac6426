"""`headrace bench`: load, plans of phases, and what came of them."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from headrace.cli import compare, gate, verdict
from headrace.cli.bench_options import Consent, KeyVariable, Short, Spin, Workers

app = typer.Typer(
    help="Measures a gateway from outside.",
    no_args_is_help=True,
    epilog="Runs end with 0: all was kept; 1: something was not, or nothing was good; 3: void, or "
    "nobody can tell; 130: interrupted.",
)
app.command(epilog=verdict.EPILOG)(verdict.verdict)
app.command(epilog=compare.EPILOG)(compare.compare)
app.command(epilog=gate.EPILOG)(gate.gate)

_PLANS: Final = "baseline, stress, spike, soak, compare, gate, or a file"

Out = Annotated[Path | None, typer.Option(help="File of JSON lines to add the run to.")]
Rows = Annotated[
    int, typer.Option(help="Requests of each phase the file tells one by one.", min=0, max=200_000)
]
Rate = Annotated[float, typer.Option(help="Requests a second.", min=0.001)]
Seconds = Annotated[float, typer.Option(help="How long.", min=0.1, max=1e6)]
Arrivals = Annotated[
    Literal["constant", "poisson", "gamma", "modulated", "clients", "trace", "closed"],
    typer.Option(help="When requests come."),
]
Cv = Annotated[
    float | None,
    typer.Option(help="Burstiness of gamma arrivals; 2 unless given.", min=0.01, max=30),
]
Trace = Annotated[str | None, typer.Option(help="File to replay, Mooncake's JSON lines.")]
Speed = Annotated[
    float | None,
    typer.Option(help="How much faster than recorded a trace comes.", min=0.001, max=1e6),
]
Users = Annotated[int, typer.Option(help="Users; each has a connection.", min=1, max=20_000)]
Think = Annotated[
    float | None, typer.Option(help="Seconds a user of a closed loop thinks.", min=0, max=3600)
]
Model = Annotated[str, typer.Option(help="Model of chats.")]
Mix = Annotated[str, typer.Option(help="Chats, streamed chats and embeddings, in proportion.")]
Repeats = Annotated[
    float, typer.Option(help="Share of requests for popular prompts.", min=0, max=1)
]
Timeout = Annotated[float, typer.Option(help="Seconds until one is given up.", min=0.01, max=1e6)]
Seed = Annotated[int, typer.Option(help="The same makes the same schedule.", min=0, max=2**53)]
Nonce = Annotated[
    str | None,
    typer.Option(
        help="Word before every prompt, so that no other run has asked the same; by chance, unless "
        "it is given. The same seed and word ask the same again."
    ),
]
Pid = Annotated[int | None, typer.Option(help="Process of the target, to watch.", min=1)]


@app.command(
    epilog="Example:  headrace bench load http://127.0.0.1:8080 --rate 50 --seconds 20 "
    "--arrivals gamma --cv 2"
)
def load(
    url: Annotated[str, typer.Argument(help="The target: http://HOST:PORT")],
    *,
    rate: Rate = 10.0,
    seconds: Seconds = 10.0,
    arrivals: Arrivals = "poisson",
    cv: Cv = None,
    trace: Trace = None,
    speed: Speed = None,
    users: Users = 20,
    think: Think = None,
    model: Model = "gpt-4o-mini",
    mix: Mix = "5:4:1",
    repeats: Repeats = 0.85,
    timeout: Timeout = 30.0,
    seed: Seed = 1,
    workers: Workers = 1,
    spin: Spin = False,
    nonce: Nonce = None,
    out: Out = None,
    rows: Rows = 10_000,
    pid: Pid = None,
    api_key_env: KeyVariable = None,
    i_may_load_this_host: Consent = False,
) -> None:
    """Send requests by a schedule made beforehand, and say what became of them.

    Latency counts from when a request should have been sent. A run whose own
    client was late says so, and is void. Ends with 0; with 1 where no request
    was answered well, with 3 where the run is void, with 130 where it was
    interrupted.
    """
    from headrace.cli import bench_run

    bench_run.load(
        bench_run.LoadWish(
            rate=rate,
            seconds=seconds,
            arrivals=arrivals,
            cv=cv,
            trace=trace,
            speed=speed,
            users=users,
            think=think,
            model=model,
            mix=mix,
            repeats=repeats,
            timeout=timeout,
            seed=seed,
        ),
        bench_run.RunWish(
            url, workers, spin, nonce, out, rows, pid, api_key_env, i_may_load_this_host
        ),
    )


@app.command(epilog="Example:  headrace bench run baseline --short")
def run(
    plan: Annotated[str, typer.Argument(help=_PLANS, metavar="PLAN")],
    *,
    short: Short = False,
    time: Annotated[
        float | None, typer.Option(help="Factor of the phases' time.", min=0.0001, max=1)
    ] = None,
    users: Annotated[
        float | None, typer.Option(help="Factor of the phases' users.", min=0.0001, max=1)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="In place of the plan's.", min=0, max=2**53)
    ] = None,
    sim: Annotated[
        Literal["instant", "fast", "real"] | None,
        typer.Option(help="Pace of the simulated provider, in place of the plan's."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The target: http://HOST:PORT; without, one is started.")
    ] = None,
    workers: Workers = 1,
    spin: Spin = False,
    nonce: Nonce = None,
    out: Out = None,
    rows: Rows = 10_000,
    pid: Pid = None,
    api_key_env: KeyVariable = None,
    i_may_load_this_host: Consent = False,
) -> None:
    """Run a plan of phases, and say whether each kept what it has to keep.

    Without --url it starts a simulated provider and a gateway before it, on
    this machine, and watches the gateway's memory and CPU time too. Ends with
    0 where all was kept; with 1 where something was not, or nothing was good;
    with 3 where the run is void, or nobody can tell; with 130 where it was
    interrupted.
    """
    from headrace.cli import bench_plan, bench_run

    bench_plan.run(
        bench_plan.PlanWish(plan=plan, short=short, time=time, users=users, seed=seed, sim=sim),
        bench_run.RunWish(
            url, workers, spin, nonce, out, rows, pid, api_key_env, i_may_load_this_host
        ),
    )


@app.command(epilog="Example:  headrace bench plan spike > mine.yaml")
def plan(
    name: Annotated[str, typer.Argument(help=_PLANS)],
    *,
    short: Short = False,
) -> None:
    """Print a plan, to read or to write your own from."""
    from headrace.cli import bench_plan

    bench_plan.tell(bench_plan.PlanWish(plan=name, short=short))
