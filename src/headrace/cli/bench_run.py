"""`headrace bench`: from what was typed to a run, and to what is shown of it."""

import asyncio
import os
import re
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import typer
import uvloop

from headrace.bench.load.crew import Target
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import Plan
from headrace.bench.phases.run import Run, Terms
from headrace.bench.phases.watch import tree
from headrace.bench.records import RunRecord, append, check_writable
from headrace.cli.bench_view import is_any_good, live, make_console, show
from headrace.clock import SystemClock

PASSED: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 3
INTERRUPTED: Final = 130
# A plan's most, a million in a minute, in a second.
_PER_USER_MOST: Final = 1e6 / 60
_CV: Final = 2.0
# Which arrivals an option is for.
_ARRIVALS_OF: Final[Mapping[str, str]] = {"cv": "gamma", "speed": "trace", "think": "closed"}
_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")


class RunWish(msgspec.Struct, frozen=True):
    """What was typed about the run itself.

    Attributes:
        url: of the target; `None`: start one.
        workers: processes that load.
        spin: whether clients wait on their feet.
        nonce: stands in every prompt; `None`: one of chance.
        out: file for the record.
        rows: requests of each phase that it tells one by one.
        pid: of the target.
        api_key_env: environment variable with its key.
        is_consented: whether it may be another machine.
    """

    url: str | None
    workers: int
    spin: bool
    nonce: str | None
    out: Path | None
    rows: int
    pid: int | None
    api_key_env: str | None
    is_consented: bool


class LoadWish(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed of one phase of load; the names are the options'.

    Those that only some arrivals have are `None` where they were not typed.
    """

    rate: float
    seconds: float
    arrivals: str
    cv: float | None
    trace: str | None
    speed: float | None
    users: int
    think: float | None
    model: str
    mix: str
    repeats: float
    timeout: float
    seed: int


def load(wish: LoadWish, run: RunWish) -> None:
    """`headrace bench load`.

    Raises:
        PlanInvalid: what was typed cannot be run.
        OSError: a file cannot be read or written.
        typer.Exit: always in the end, with the status.
    """
    plan = plan_of(wish)
    assert run.url is not None  # noqa: S101  # the command takes one
    target = Target.of(run.url, credential_of(run.api_key_env), is_consented=run.is_consented)
    raise typer.Exit(conduct(plan, target, run.url, run))


def plan_of(wish: LoadWish) -> Plan:
    """The plan of one phase.

    Raises:
        PlanInvalid: what was typed makes no sense.
    """
    if (wish.trace is not None) != (wish.arrivals == "trace"):
        raise PlanInvalid("--trace FILE and --arrivals trace belong together.")
    rate_most = wish.users * _PER_USER_MOST
    if wish.rate > rate_most:
        raise PlanInvalid(
            f"--rate {wish.rate:g}: at most {rate_most:,.0f} for --users {wish.users}."
        )
    document = {
        "name": "load",
        "seed": wish.seed,
        "phases": [
            {
                "name": "load",
                "kind": "load",
                "seconds": wish.seconds,
                "users": wish.users,
                "per_user_per_min": wish.rate * 60 / wish.users,
                "arrivals": _arrivals(wish),
                "timeout_s": wish.timeout,
            }
        ],
        "workload": {"mix": mix_of(wish.mix), "model": wish.model, "repeat_share": wish.repeats},
    }
    try:
        return msgspec.convert(document, Plan, strict=False)
    except msgspec.ValidationError as error:
        raise PlanInvalid(f"{error}") from None


def _arrivals(wish: LoadWish) -> dict[str, object]:
    """How requests arrive, as the plan writes it.

    Raises:
        PlanInvalid: an option was typed that such arrivals have not.
    """
    typed = {"cv": wish.cv, "speed": wish.speed, "think": wish.think}
    for name, kind in _ARRIVALS_OF.items():
        if typed[name] is not None and wish.arrivals != kind:
            raise PlanInvalid(f"--{name} is for --arrivals {kind}, not for {wish.arrivals}.")
    arrivals: dict[str, object] = {"kind": wish.arrivals}
    if wish.arrivals == "gamma":
        arrivals["cv"] = _CV if wish.cv is None else wish.cv
    elif wish.arrivals == "trace":
        arrivals |= {"file": wish.trace, "speed": wish.speed or 1.0}
    elif wish.arrivals == "closed":
        arrivals["think_s"] = wish.think or 0.0
    return arrivals


def mix_of(text: str) -> dict[str, float]:
    """`CHAT:STREAM:EMBEDDINGS` as the plan writes it.

    Raises:
        PlanInvalid: it is not that.
    """
    try:
        chat, stream, embeddings = map(float, text.split(":"))
    except ValueError:
        raise PlanInvalid(f"--mix {text}: three numbers, as 5:4:1") from None
    if not chat + stream + embeddings > 0:
        raise PlanInvalid(f"--mix {text}: nothing is left to ask")
    return {"chat": chat, "stream": stream, "embeddings": embeddings}


def credential_of(variable: str | None) -> str | None:
    """The target's key, from the environment.

    Raises:
        PlanInvalid: the variable is not set.
    """
    if variable is None:
        return None
    found = os.environ.get(variable)
    if not found:
        raise PlanInvalid(f"the environment variable {variable} is not set.")
    return found


def nonce_of(given: str | None) -> str:
    """What stands in every prompt: what was given, or eight digits of chance.

    Raises:
        PlanInvalid: it is no word.
    """
    if given is None:
        return secrets.token_hex(4)
    if given and not _WORD.fullmatch(given):
        raise PlanInvalid(f"--nonce {given}: give a word of up to 40 letters, digits, - . or _")
    return given


def conduct(plan: Plan, target: Target, name: str, wish: RunWish) -> int:
    """Run a plan, show it, write it down; returns the exit status.

    Raises:
        PlanInvalid: a schedule cannot be made, or there is no such process to watch.
        WorkerLost: a process that loads ended before its time.
        OSError: the record cannot be written; the figures have been shown by then.
    """
    if wish.pid is not None and tree(wish.pid) is None:
        raise PlanInvalid(f"--pid {wish.pid}: there is no such process on this machine.")
    if wish.out is not None:
        check_writable(wish.out)
    return uvloop.run(conducted(plan, target, name, wish))


async def conducted(plan: Plan, target: Target, name: str, wish: RunWish) -> int:
    """As `conduct`, on the loop there is."""
    console = make_console()
    terms = Terms(
        workers=wish.workers,
        spins=wish.spin,
        rows_max=wish.rows,
        pid=wish.pid,
        nonce=nonce_of(wish.nonce),
    )
    with live(console, plan) as tell:
        run = Run(plan, target, name, terms, SystemClock(), tell)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, run.stop)
        record = await run.whole()
    show(console, record)
    if wish.out is not None:
        append(wish.out, record)
        console.print(f"added to {wish.out}", highlight=False, markup=False)
    return status_of(record)


def status_of(record: RunRecord) -> int:
    """What a run comes to: passed, failed, or nothing that can be said.

    Without limits of its own, a run fails where nothing at all was good.
    """
    kept = [verdict.is_kept for phase in record.phases for verdict in phase.verdicts]
    if record.status == "interrupted":
        return INTERRUPTED
    if record.void:
        return UNUSABLE
    if False in kept or record.status == "target down" or not is_any_good(record):
        return FAILED
    return UNUSABLE if None in kept else PASSED
