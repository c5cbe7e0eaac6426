"""The whole benchmark: what runs beside what, for how long, and where the figures go."""

import argparse
import datetime as dt
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import msgspec
from rich.console import Console

from benchmarks import (
    adaptive_case,
    bars,
    breakdown_case,
    environment,
    footprint_case,
    gateway,
    load_case,
    nginx,
    open_loop_case,
    policy_case,
    processes,
    procfs,
    progress,
    report,
    semantic_case,
    stream_case,
    toolkit_case,
    wrk,
)
from benchmarks.adaptive_records import AdaptiveRun
from benchmarks.progress import Steps
from benchmarks.records import (
    Bar,
    Breakdown,
    Footprint,
    LoadRow,
    OpenLoopRow,
    PolicyRow,
    Report,
    StartUp,
    StreamRow,
    ToolkitRow,
    Verdict,
)
from benchmarks.semantic_records import SemanticFigures
from benchmarks.workload import Call, new_nonce

CASES = ("load", "stream", "open-loop", "memory", "start-up")
TOOLKIT = "toolkit"  # caches in a program, without a gateway
BREAKDOWN = "breakdown"  # tells where time goes, holds no bar: run when asked for
ADAPTIVE = "adaptive"  # replays too
SEMANTIC = "semantic"  # fetches an embedder once; hardly times anything
POLICIES = "policies"  # replays, where nothing is timed
WITHOUT_GATEWAY = (ADAPTIVE, POLICIES, SEMANTIC, TOOLKIT)
RESULTS = gateway.ROOT / "benchmarks" / "results"
BASELINE = bars.YARDSTICK
CONTROL = "nginx, A/A"
Outcome = TypeVar("Outcome")


class Effort(msgspec.Struct, frozen=True):
    """How much is measured."""

    load: load_case.LoadPlan
    streams: tuple[stream_case.StreamMix, ...]
    open_loop_s: float
    open_loop_rounds: int
    flat_requests: int
    start_up_rounds: int
    breakdown: breakdown_case.Plan
    policy_seeds: int
    adaptive_seeds: int


def _mixes(rounds: int, window_s: float) -> tuple[stream_case.StreamMix, ...]:
    # 1,000 at half the pace: the same chunks per second, for mock and client run here too.
    return (
        stream_case.StreamMix(bars.STREAMS, 2.0, window_s, rounds),
        stream_case.StreamMix(bars.STREAMS, 0.0, 0.0, rounds),
        stream_case.StreamMix(bars.STREAMS_MANY, 2.0, window_s, 1, chunk_every=2),
    )


def _plan(rounds: int, round_s: float) -> breakdown_case.Plan:
    return breakdown_case.Plan(rounds, round_s, bars.STREAMS)


FULL = Effort(
    load_case.LoadPlan(7, 3.0, 1.0), _mixes(5, 3.0), 10.0, 3, 100_000, 11, _plan(5, 2.0), 10, 10
)
QUICK = Effort(
    load_case.LoadPlan(3, 1.0, 1.0), _mixes(1, 1.5), 3.0, 1, 20_000, 5, _plan(2, 1.0), 3, 3
)


class Bench:
    """One run; sections that need the gateway are left out where it is not wanted.

    Args:
        effort: how much is measured.
        with_gateway: whether Headrace is measured, or only the yardsticks.
        seed: seeds the order of targets and the arrival times.
        directory: where children keep their files.
        steps: progress.
    """

    def __init__(
        self, effort: Effort, with_gateway: bool, seed: int, directory: Path, steps: Steps
    ) -> None:
        self._effort = effort
        self._with_gateway = with_gateway
        self._dice = random.Random(seed)
        self._directory = directory
        self._steps = steps

    def load(self) -> list[LoadRow]:
        """Hits and misses beside two nginx proxies."""
        directory = self._section("load")
        with ExitStack() as stack:
            mock = stack.enter_context(nginx.mock(directory))
            targets = []
            for name, short in ((BASELINE, "nginx"), (CONTROL, "nginx-again")):
                proxy = stack.enter_context(nginx.proxy(short, directory, mock.port))
                targets.append(load_case.LoadTarget(name, proxy.child, Call(proxy.port), proxy.log))
            if self._with_gateway:
                served = stack.enter_context(gateway.serving("headrace", directory, mock.port))
                targets += _gateway_targets(served)
            return load_case.measure(
                targets,
                BASELINE,
                mock.port,
                self._effort.load,
                directory,
                self._dice,
                self._steps,
            )

    def streams(self) -> list[StreamRow]:
        """Streams through nginx and through the gateway."""
        directory = self._section("stream")
        rows: list[StreamRow] = []
        with ExitStack() as stack:
            direct = stack.enter_context(stream_case.mock(directory))
            proxy = stack.enter_context(
                nginx.proxy("nginx", directory, direct.call.port, buffering=False)
            )
            targets = [stream_case.StreamTarget(BASELINE, proxy.child, Call(proxy.port))]
            if self._with_gateway:
                served = stack.enter_context(
                    gateway.serving("headrace", directory, direct.call.port)
                )
                targets.append(stream_case.StreamTarget(bars.GATEWAY, served.child, served.call))
            for mix in self._effort.streams:
                rows += stream_case.measure(
                    targets, direct, BASELINE, mix, directory, self._dice, self._steps
                )
        return rows

    def open_loop(self) -> list[OpenLoopRow]:
        """Hits at a fixed rate."""
        directory = self._section("open-loop")
        with ExitStack() as stack:
            mock = stack.enter_context(nginx.mock(directory))
            proxy = stack.enter_context(nginx.proxy("nginx", directory, mock.port))
            targets = [open_loop_case.OpenLoopTarget(BASELINE, Call(proxy.port))]
            if self._with_gateway:
                served = stack.enter_context(gateway.serving("headrace", directory, mock.port))
                targets.append(open_loop_case.OpenLoopTarget(bars.HIT_ROW, served.call))
            return open_loop_case.measure(
                targets,
                self._effort.open_loop_s,
                self._effort.open_loop_rounds,
                directory,
                self._dice,
                self._steps,
            )

    def memory(self) -> Footprint | None:
        """Resident memory of the gateway."""
        if not self._with_gateway:
            return None
        directory = self._section("memory")
        with nginx.mock(directory) as mock:
            return footprint_case.memory(
                directory, mock.port, self._effort.flat_requests, self._steps
            )

    def start_up(self) -> StartUp | None:
        """Start-up times of the gateway."""
        if not self._with_gateway:
            return None
        return footprint_case.start_up(self._effort.start_up_rounds, self._steps)

    def breakdown(self) -> Breakdown | None:
        """Where the gateway's time goes."""
        if not self._with_gateway:
            return None
        directory = self._section(BREAKDOWN)
        return breakdown_case.measure(self._effort.breakdown, directory, self._dice, self._steps)

    def toolkit(self) -> list[ToolkitRow]:
        """The toolkit's caches beside others."""
        rounds = 2 * self._effort.load.rounds + 1
        return toolkit_case.measure(rounds, self._section(TOOLKIT), self._dice, self._steps)

    def adaptive(self) -> AdaptiveRun:
        """What the adaptive cache gains, whole and part by part."""
        seeds = adaptive_case.SEEDS[: self._effort.adaptive_seeds]
        return adaptive_case.measure(seeds, self._steps)

    def semantic(self) -> SemanticFigures:
        """How often answers by meaning are right."""
        return semantic_case.measure(self._steps)

    def policies(self) -> list[PolicyRow]:
        """What eviction policies save."""
        return policy_case.measure(range(1, self._effort.policy_seeds + 1), self._steps)

    def _section(self, name: str) -> Path:
        directory = self._directory / name
        directory.mkdir()
        return directory


def _gateway_targets(served: gateway.Gateway) -> list[load_case.LoadTarget]:
    hit = load_case.LoadTarget(
        bars.HIT_ROW,
        served.child,
        served.call,
        served.log,
        remembers=True,
        nonce=new_nonce(),
        cache_header="l1",
    )
    miss = load_case.LoadTarget(
        bars.MISS_ROW, served.child, served.call, served.log, cache_header="miss"
    )
    return [hit, miss]


def main(arguments: Sequence[str]) -> int:
    """Read the command line, measure, print and write.

    Returns:
        0; 1 where a bar was missed or void and `--check` was given; 2 where something could not
        be run.
    """
    options = _options(arguments)
    console = Console(stderr=True)
    processes.end_on_signals()
    processes.raise_descriptor_limit()
    try:
        if set(options.cases) - set(WITHOUT_GATEWAY):
            nginx.require()
        if {"load", BREAKDOWN} & set(options.cases):
            wrk.require()
    except processes.ChildFailed as error:
        console.print(f"benchmark stopped: {error}", style="red", markup=False)
        return 2
    made, failed = _measure(options, console)
    report.show(made, report.wide_console())
    path = options.json or RESULTS / f"{made.started.replace(':', '')}.json"
    report.write(made, path)
    console.print(f"written to {path}", style="dim")
    broken = any(bar.verdict in {Verdict.MISS, Verdict.VOID} for bar in made.bars)
    return 2 if failed else 1 if options.check and broken else 0


def _measure(options: argparse.Namespace, console: Console) -> tuple[Report, bool]:
    """The report, and whether a section failed; the others go on."""
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    machine = environment.read()
    time_before = procfs.machine_time()
    failures: list[str] = []

    def section(case: str, run: Callable[[], Outcome], otherwise: Outcome) -> Outcome:
        if case not in options.cases:
            return otherwise
        try:
            return run()
        except processes.ChildFailed as error:
            failures.append(f"{case} could not be run: {error}")
            return otherwise

    with (
        tempfile.TemporaryDirectory(prefix="headrace-bench-") as directory,
        progress.shown(console) as steps,
    ):
        effort = QUICK if options.quick else FULL
        bench = Bench(effort, not options.yardsticks, options.seed, Path(directory), steps)
        load: list[LoadRow] = section("load", bench.load, [])
        streams: list[StreamRow] = section("stream", bench.streams, [])
        open_loop: list[OpenLoopRow] = section("open-loop", bench.open_loop, [])
        footprint = section("memory", bench.memory, None)
        start_up = section("start-up", bench.start_up, None)
        breakdown = section(BREAKDOWN, bench.breakdown, None)
        adaptive: AdaptiveRun | None = section(ADAPTIVE, bench.adaptive, None)
        semantic: SemanticFigures | None = section(SEMANTIC, bench.semantic, None)
        policies: list[PolicyRow] = section(POLICIES, bench.policies, [])
        toolkit: list[ToolkitRow] = section(TOOLKIT, bench.toolkit, [])
    stolen = procfs.stolen_share(time_before, procfs.machine_time())
    made = Report(
        started=started,
        seed=options.seed,
        quick=options.quick,
        environment=machine,
        load=load,
        streams=streams,
        open_loop=open_loop,
        footprint=footprint,
        start_up=start_up,
        breakdown=breakdown,
        policies=policies,
        adaptive=adaptive,
        semantic=semantic,
        toolkit=toolkit,
        notes=[
            *environment.doubts(machine.load_average, stolen),
            *toolkit_case.notes(toolkit),
            *failures,
        ],
    )
    return msgspec.structs.replace(made, bars=_bars(made)), bool(failures)


def _bars(made: Report) -> list[Bar]:
    """Every promise, held against what was measured."""
    return [
        *bars.judge(made.load, made.streams, made.open_loop, made.footprint, made.start_up),
        *policy_case.bars(made.policies),
        *adaptive_case.bars(made.adaptive),
        *semantic_case.bars(made.semantic),
        *toolkit_case.judge(made.toolkit),
    ]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description="Measures Headrace beside nginx on this machine, on loopback.",
    )
    parser.add_argument("--quick", action="store_true", help="a rough look, under two minutes")
    parser.add_argument(
        "--cases",
        nargs="+",
        choices=(*CASES, BREAKDOWN, *WITHOUT_GATEWAY),
        default=list(CASES),
        metavar="CASE",
        help=f"only these: {', '.join(CASES)}; or {BREAKDOWN}: where the time goes; "
        f"or {TOOLKIT}: its caches beside others; or {POLICIES}: what eviction policies save; "
        f"or {ADAPTIVE}: what the adaptive cache gains; "
        f"or {SEMANTIC}: how often answers by meaning are right",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures are written")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bar is missed")
    parser.add_argument("--seed", type=int, default=1, help="order of targets, arrival times")
    parser.add_argument(
        "--yardsticks",
        action="store_true",
        help="nginx and mocks only: is this machine quiet enough?",
    )
    return parser.parse_args(arguments)
