"""`headrace cache simulate`: from what was typed to a study, and to what is shown of it."""

import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Final, NoReturn

import msgspec
import typer
from rich.console import Console

from headrace.cache import simulation
from headrace.cache.simulation import POLICIES, Capacity, Study, Trace, Workload
from headrace.cli.cache_view import make_console, show
from headrace.cli.late_progress import LateProgress

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[kmgt]?b?)", re.IGNORECASE)


class Wish(msgspec.Struct, frozen=True):
    """What was typed.

    Attributes:
        trace: file of requests, `-` for standard input; `None` where they are made up.
        is_synthetic: make them up.
        drift: name of a workload.
        requests: how many are made up.
        workload: `NAME=VALUE`, in place of the workload's own.
        seeds: of the workloads that are made up.
        capacities: sizes of the cache; none: the usual ones.
        policies: names; none: all.
        input_usd: price for Mooncake traces, dollars for a million tokens.
        output_usd: the same of answers.
        events_max: requests read at most.
        plot: where the chart goes.
        json: where the numbers go.
    """

    trace: str | None
    is_synthetic: bool
    drift: str
    requests: int
    workload: tuple[str, ...]
    seeds: tuple[int, ...]
    capacities: tuple[str, ...]
    policies: tuple[str, ...]
    input_usd: float
    output_usd: float
    events_max: int
    plot: Path | None
    json: Path | None


def run(wish: Wish) -> None:
    """Do it and show it.

    Raises:
        TraceInvalid: the file cannot be replayed.
        OSError: a file cannot be read or written.
        typer.BadParameter: what was typed makes no sense.
    """
    if (wish.trace is None) is not wish.is_synthetic:
        _refuse("TRACE", "give a file of requests or --synthetic, one of the two")
    policies = _policies(wish.policies)
    capacities = tuple(map(read_capacity, wish.capacities or simulation.CAPACITIES))
    _foresee(wish)
    with ExitStack() as stack:
        progress = stack.enter_context(LateProgress(Console(stderr=True)))
        traces = _traces(wish, stack, progress)
        found = simulation.study(
            traces, policies, capacities, simulation.make_contender, progress.tell
        )
    _hand_out(found, wish)


def _foresee(wish: Wish) -> None:
    """Refuse first what would fail at the end: nobody waits for a study that cannot be written."""
    for option, path in (("--plot", wish.plot), ("--json", wish.json)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            _refuse(option, f"{path} cannot be written: name a file in a directory that exists")
    if wish.plot is not None:
        if wish.plot.suffix not in {".html", ".htm"}:
            _refuse("--plot", f"a chart is a page for the browser: name it {wish.plot.stem}.html")
        from headrace.cli.cache_chart import require

        require()


def _hand_out(found: Study, wish: Wish) -> None:
    console = make_console()
    show(found, console)
    if wish.json is not None:
        wish.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        console.print(f"written to {wish.json}", style="dim", markup=False)
    if wish.plot is not None:
        from headrace.cli.cache_chart import write

        write(found, wish.plot)
        console.print(f"chart in {wish.plot}", style="dim", markup=False)


def _traces(wish: Wish, stack: ExitStack, progress: LateProgress) -> Iterator[Trace]:
    collect = partial(
        simulation.collect,
        events_max=wish.events_max,
        on_progress=lambda count: progress.tell(f"request {count:,}"),
    )
    if wish.trace is None:
        workload = read_workload(wish)
        for seed in wish.seeds:
            progress.begin(f"seed {seed}, to {wish.seeds[-1]}")
            name = f"made up, {wish.drift} drift, seed {seed}"
            yield collect(simulation.generate(workload, seed), name)
        return
    stream = _open(wish.trace, stack)
    assumed = simulation.Assumed(input_usd=wish.input_usd, output_usd=wish.output_usd)
    name = "standard input" if wish.trace == "-" else wish.trace
    yield collect(simulation.read_events(stream, name, assumed), name)


def _open(name: str, stack: ExitStack) -> BufferedReader:
    if name == "-":
        assert isinstance(sys.stdin.buffer, BufferedReader)  # noqa: S101
        return sys.stdin.buffer
    return stack.enter_context(Path(name).open("rb"))


def read_workload(wish: Wish) -> Workload:
    """The workload that was asked for.

    Raises:
        typer.BadParameter: there is no such workload, or no such number in it.
    """
    if wish.drift not in simulation.DRIFTS:
        _refuse("--drift", f"{wish.drift!r} is not one of {', '.join(simulation.DRIFTS)}")
    values = msgspec.structs.asdict(simulation.preset(wish.drift)) | {"requests": wish.requests}
    names = sorted(set(values) - {"tiers"})
    for written in wish.workload:
        name, is_set, value = written.partition("=")
        if name not in names or not is_set:
            near = difflib.get_close_matches(name, names, 1)
            known = f"write NAME=VALUE with one of {', '.join(names)}"
            _refuse("--set", f"{written!r}: " + (f"did you mean {near[0]}=?" if near else known))
        values[name] = value
        try:
            msgspec.convert({name: value}, Workload, strict=False)
        except msgspec.ValidationError as error:
            _refuse("--set", f"{written!r}: {error}")
    return msgspec.convert(values, Workload, strict=False)


def read_capacity(text: str) -> Capacity:
    """A size as it was typed: `2%`, `500MB`, `1048576`; units are powers of 1,000.

    Raises:
        typer.BadParameter: it is none, or nothing.
    """
    found = _SIZE.fullmatch(text.strip())
    number = float(found[1]) if found else 0.0
    if found is None or number <= 0:
        _refuse("--capacity", f"{text!r} is no size: write 2% or 500MB")
    unit = found[2].upper().rstrip("B")
    if unit == "%":
        if number > 100:
            _refuse("--capacity", f"{text!r} is more than all answers take: 100% at most")
        return Capacity(f"{number:g}%", share=number / 100)
    size = int(number * 1000 ** ("KMGT".index(unit) + 1 if unit else 0))
    if not 1 <= size <= 10**15:
        _refuse("--capacity", f"{text!r} is not between 1 byte and 1000 TB")
    return Capacity(text.strip(), bytes_max=size)


def _policies(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in POLICIES:
            _refuse("--policy", f"{name!r} is not one of {', '.join(POLICIES)}")
    return tuple(dict.fromkeys(names)) or POLICIES


def _refuse(option: str, why: str) -> NoReturn:
    raise typer.BadParameter(why, param_hint=option)
