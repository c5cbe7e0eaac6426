"""What `headrace profile` does, one thing after the other."""

import platform
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from headrace.cli.admin_call import NotTold, ask_console
from headrace.cli.profile_load import Loaded, LoadWanted, sheet, under_load
from headrace.clock import SystemClock
from headrace.observe.profiling.allocations import Allocations
from headrace.observe.profiling.report import Report, render
from headrace.observe.profiling.sampler import sample
from headrace.observe.profiling.speedscope import read_speedscope, speedscope
from headrace.observe.profiling.stacks import Profile, shares
from headrace.observe.profiling.told import LAG, STAGES, times
from headrace.version import __version__

_ALLOCATION_S: Final = 5
_METRICS_S: Final = 10.0
_TOP: Final = 5
_ENDING: Final = ".speedscope.json"
_SECONDS: Final = 10.0


class ProfileWanted(msgspec.Struct, frozen=True):
    """What is asked for; fields as the command's options.

    Attributes:
        is_own: whether a gateway is started for the load.
        seconds: how long; `None`: ten, or as long as the load takes.
        command: the command line, to do it again.
    """

    url: str
    is_own: bool
    admin_key: str | None
    pid: int | None
    seconds: float | None
    rate_hz: int
    load: str | None
    is_short: bool
    api_key_env: str | None
    native: bool
    allocations: bool
    against: Path | None
    out: Path
    command: str


def run(wanted: ProfileWanted) -> None:
    """Profile, write the report and say what stands in it.

    Raises:
        NotProfiled: no samples could be taken.
        PlanInvalid: the load cannot be made.
        OSError: a file cannot be read or written.
    """
    beside = wanted.out.with_suffix(_ENDING)
    if wanted.against is not None and beside.resolve() == wanted.against.resolve():
        message = f"{beside} would be overwritten; choose another --out"
        raise typer.BadParameter(message, param_hint="--against")
    load = None
    if wanted.load is not None:
        url = None if wanted.is_own else wanted.url
        load = LoadWanted.of(wanted.load, url, wanted.api_key_env, is_short=wanted.is_short)
    before = _read(wanted.against)
    if load is not None and wanted.is_own:
        report = _loaded(wanted, load, 0, is_gateway=True)
    else:
        gateway = _gateway(wanted)
        pid = wanted.pid if wanted.pid is not None else int(gateway["pid"])
        report = _report(wanted, load, pid, is_gateway=bool(gateway))
    report = msgspec.structs.replace(report, before=before)
    # The samples first: they are there whatever becomes of the page.
    beside.write_bytes(msgspec.json.encode(speedscope(report.profile)))
    wanted.out.write_text(render(report), "utf-8")
    _say(report, wanted.out, beside)


def _report(
    wanted: ProfileWanted, load: LoadWanted | None, pid: int, *, is_gateway: bool
) -> Report:
    """What is found, under load or under what comes anyway."""
    if load is None:
        return _found(wanted, pid, wanted.seconds or _SECONDS, is_gateway=is_gateway)
    return _loaded(wanted, load, pid, is_gateway=is_gateway)


def _loaded(wanted: ProfileWanted, load: LoadWanted, pid: int, *, is_gateway: bool) -> Report:
    # What allocates is looked at behind the samples, and has to do then as well.
    kept_s = _ALLOCATION_S + 1 if is_gateway and wanted.allocations else 0
    seconds = wanted.seconds or max(1.0, load.plan.seconds - kept_s)

    def look(at: Loaded) -> Report:
        here = msgspec.structs.replace(wanted, url=at.url)
        return _found(here, at.pid, seconds, is_gateway=is_gateway, is_over=at.is_over)

    report, record = under_load(load, wanted.url, pid, look)
    return msgspec.structs.replace(report, load=sheet(record))


def _found(
    wanted: ProfileWanted,
    pid: int,
    seconds: float,
    *,
    is_gateway: bool,
    is_over: Callable[[], bool] | None = None,
) -> Report:
    title = f"Headrace, process {pid}" if is_gateway else f"Process {pid}"
    told_before = _metrics(wanted) if is_gateway else ""
    found = _sampled(wanted, pid, seconds, title, is_over)
    told_after = _metrics(wanted) if told_before else ""
    is_worth_it = is_gateway and wanted.allocations and not (is_over and is_over())
    return Report(
        profile=found,
        facts=_facts(wanted),
        stages=times(told_before, told_after, STAGES, "stage"),
        lag=times(told_before, told_after, LAG),
        allocations=_allocations(wanted) if is_worth_it else None,
    )


def _read(path: Path | None) -> Profile | None:
    if path is None:
        return None
    try:
        return read_speedscope(path.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--against") from None


def _gateway(wanted: ProfileWanted) -> dict[str, Any]:
    """How the gateway does; empty where another process is profiled."""
    try:
        told: dict[str, Any] = ask_console(wanted.url, "/admin/status", wanted.admin_key)
    except NotTold as why:
        if wanted.pid is not None:
            return {}
        typer.echo(f"Not profiled: {why} (--url, --admin-key; or name a process: --pid)", err=True)
        raise typer.Exit(1) from None
    is_another = wanted.pid is not None and wanted.pid != told["pid"]
    return {} if is_another else told


def _sampled(
    wanted: ProfileWanted,
    pid: int,
    seconds: float,
    title: str,
    is_over: Callable[[], bool] | None,
) -> Profile:
    """Samples, for so long; a load shows how it goes by itself."""
    native, clock = wanted.native, SystemClock()
    if is_over is not None:
        return sample(
            pid, seconds, wanted.rate_hz, title, clock=clock, native=native, is_over=is_over
        )
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"process {pid}", total=seconds)
        began_s = clock.monotonic_s()
        return sample(
            pid,
            seconds,
            wanted.rate_hz,
            title,
            clock=clock,
            native=native,
            on_tick=lambda: progress.update(task, completed=clock.monotonic_s() - began_s),
        )


def _metrics(wanted: ProfileWanted) -> str:
    try:
        with urllib.request.urlopen(  # noqa: S310  # http(s) only: the console was asked there
            f"{wanted.url.rstrip('/')}/metrics", timeout=_METRICS_S
        ) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError):
        return ""


def _allocations(wanted: ProfileWanted) -> Allocations | None:
    with Console(stderr=True).status(f"watching allocations for {_ALLOCATION_S} s"):
        path = f"/admin/allocations?seconds={_ALLOCATION_S}"
        try:
            told = ask_console(wanted.url, path, wanted.admin_key, "POST")
        except NotTold as why:
            typer.echo(f"Allocations are not told: {why}", err=True)
            return None
    return msgspec.convert(told, Allocations)


def _facts(wanted: ProfileWanted) -> dict[str, str]:
    return {
        "made by": wanted.command,
        "at": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "on": f"{platform.machine()}, {platform.system()} {platform.release()}, "
        f"Headrace {__version__}",
    }


def _say(report: Report, page: Path, beside: Path) -> None:
    for each in shares(report.profile)[:_TOP]:
        typer.echo(f"{100 * each.own:5.1f} %  {each.name}")
    typer.echo(f"\n{report.profile.samples:,} samples. Report: {page}")
    typer.echo(f"For https://www.speedscope.app, and to compare with (--against): {beside}")
