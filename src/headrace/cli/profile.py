"""`headrace profile`: where a running gateway, or any Python process, spends its time."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from headrace.cli.admin_call import AdminKey

_KEY_OPTION: Final = "--admin-key"
_URL: Final = "http://127.0.0.1:8080"
EPILOG: Final = (
    "Examples:  headrace profile\n\n"
    "headrace profile --load baseline --short\n\n"
    "headrace profile --seconds 30 --against before.speedscope.json\n\n"
    "headrace profile --pid 4711 --out worker.html"
)
Url = Annotated[
    str | None,
    typer.Option(
        help="Where the gateway listens. Without, http://127.0.0.1:8080; with --load, one is "
        "started, and a simulated provider behind it."
    ),
]
Load = Annotated[
    str | None,
    typer.Option(
        help="Load it meanwhile, by a plan: baseline, stress, spike, soak, compare, gate, or a "
        "file.",
        metavar="PLAN",
    ),
]
KeyVariable = Annotated[
    str | None, typer.Option(help="Environment variable that holds a key for the load.")
]


def profile(
    *,
    url: Url = None,
    admin_key: AdminKey = None,
    pid: Annotated[
        int | None,
        typer.Option(help="Profile this process and its children, be it a gateway or not."),
    ] = None,
    load: Load = None,
    short: Annotated[bool, typer.Option("--short", help="The plan's short form.")] = False,
    api_key_env: KeyVariable = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, max=600, help="How long; 10, or as long as the plan takes."),
    ] = None,
    rate: Annotated[int, typer.Option(min=1, max=1000, help="Samples a second.")] = 200,
    native: Annotated[
        bool, typer.Option("--native", help="See functions of C and Rust extensions, too.")
    ] = False,
    allocations: Annotated[
        bool,
        typer.Option(
            help="See what a gateway allocates in the 5 seconds after; it takes longer for its "
            "work meanwhile."
        ),
    ] = True,
    against: Annotated[
        Path | None,
        typer.Option(help="An earlier profile (*.speedscope.json) to compare with."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path(
        "headrace-profile.html"
    ),
) -> None:
    """Profile a running gateway: a report with flame graph, stages, loop lag and allocations.

    Samples are taken from outside, by py-spy: the gateway need not be started in any way. Beside
    the report stands a file for https://www.speedscope.app, which `--against` takes as well.
    """
    from headrace.cli.profile_run import ProfileWanted, run

    wanted = ProfileWanted(
        url=url or _URL,
        is_own=load is not None and url is None and pid is None,
        admin_key=admin_key,
        pid=pid,
        seconds=seconds,
        rate_hz=rate,
        load=load,
        is_short=short,
        api_key_env=api_key_env,
        native=native,
        allocations=allocations,
        against=against,
        out=out,
        command=_told_command(sys.argv[1:]),
    )
    run(wanted)


def _told_command(arguments: list[str]) -> str:
    """The command line as a report may show it: without the key."""
    told: list[str] = []
    for at, each in enumerate(arguments):
        is_value = at > 0 and arguments[at - 1] == _KEY_OPTION
        if each.partition("=")[0] != _KEY_OPTION and not is_value:
            told.append(each)
    return shlex.join(["headrace", *told])
