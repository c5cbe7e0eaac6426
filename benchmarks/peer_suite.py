"""Peers beside nginx and Headrace: the miss case and the stream case, each peer in its own run."""

import argparse
import datetime as dt
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks import (
    bars,
    environment,
    gateway,
    load_case,
    nginx,
    peer_recipes,
    processes,
    procfs,
    progress,
    report,
    stream_case,
    wrk,
)
from benchmarks.bench import BASELINE
from benchmarks.peer_recipes import Recipe
from benchmarks.progress import Steps
from benchmarks.records import LoadRow, StreamRow
from benchmarks.run_record import Report
from benchmarks.suite import RESULTS
from benchmarks.workload import Call

CACHE = Path.home() / ".cache" / "headrace-bench"
READY_S_MAX = 120.0
LOAD = load_case.LoadPlan(rounds=5, round_s=3.0, warm_up_s=2.0)
LOAD_QUICK = load_case.LoadPlan(rounds=2, round_s=1.0, warm_up_s=1.0)
STREAM_ROUNDS = 3
WINDOW_S = 2.0
RAMP_S = 2.0
# A peer may leave out the empty first chunk or add one of its own, such as usage.
EVENTS_OFF_MAX = 4


class Peer(msgspec.Struct, frozen=True):
    """A running peer."""

    child: processes.Child
    call: Call


@contextmanager
def serving(recipe: Recipe, home: Path, directory: Path, upstream_port: int) -> Iterator[Peer]:
    """Run a peer in front of an upstream."""
    started = recipe.start(home, directory, upstream_port)
    with processes.running(
        recipe.slug, started.arguments, directory, environment=started.environment
    ) as child:
        call = started.call
        if started.announces_port:
            port = int(child.wait_said(r"http://[\w.]+:(\d+)", seconds_max=READY_S_MAX))
            call = msgspec.structs.replace(call, port=port)
        if started.ready_path is not None:
            child.wait_ready(call.port, started.ready_path, seconds_max=READY_S_MAX)
        yield Peer(child, call)


class PeerBench:
    """Measures one peer after the other; one that fails leaves a note and no row.

    Args:
        quick: fewer and shorter rounds.
        seed: seeds the order of targets.
        directory: where children keep their files.
        steps: progress.
    """

    def __init__(self, quick: bool, seed: int, directory: Path, steps: Steps) -> None:
        self._quick = quick
        self._dice = random.Random(seed)
        self._directory = directory
        self._steps = steps
        self.load: list[LoadRow] = []
        self.streams: list[StreamRow] = []
        self.notes: list[str] = []

    def measure(self, recipe: Recipe) -> None:
        """Install a peer where needed and add its rows."""
        self._steps.start(f"install {recipe.name}", 1)
        try:
            home = peer_recipes.installed(recipe, CACHE)
        except (processes.ChildFailed, OSError) as error:
            self.notes.append(f"{recipe.name} could not be installed: {error}")
            return
        self._steps.done("there")
        for section in (self._load, self._stream):
            try:
                section(recipe, home)
            except processes.ChildFailed as error:
                self.notes.append(f"{recipe.name} could not be measured: {error}")

    def _load(self, recipe: Recipe, home: Path) -> None:
        directory = self._section(f"{recipe.slug}-load")
        with ExitStack() as stack:
            mock = stack.enter_context(nginx.mock(directory))
            proxy = stack.enter_context(nginx.proxy("nginx", directory, mock.port))
            served = stack.enter_context(gateway.serving("headrace", directory, mock.port))
            peer = stack.enter_context(serving(recipe, home, directory, mock.port))
            targets = [
                load_case.LoadTarget(BASELINE, proxy.child, Call(proxy.port), proxy.log),
                load_case.LoadTarget(bars.MISS_ROW, served.child, served.call, served.log),
                load_case.LoadTarget(
                    recipe.name, peer.child, peer.call, connections=recipe.connections
                ),
            ]
            plan = LOAD_QUICK if self._quick else LOAD
            self.load += load_case.measure(
                targets, BASELINE, mock.port, plan, directory, self._dice, self._steps
            )

    def _stream(self, recipe: Recipe, home: Path) -> None:
        directory = self._section(f"{recipe.slug}-stream")
        with ExitStack() as stack:
            direct = stack.enter_context(stream_case.mock(directory))
            upstream_port = direct.call.port
            proxy = stack.enter_context(
                nginx.proxy("nginx", directory, upstream_port, buffering=False)
            )
            served = stack.enter_context(gateway.serving("headrace", directory, upstream_port))
            peer = stack.enter_context(serving(recipe, home, directory, upstream_port))
            targets = [
                stream_case.StreamTarget(BASELINE, proxy.child, Call(proxy.port)),
                stream_case.StreamTarget(bars.GATEWAY, served.child, served.call),
                stream_case.StreamTarget(recipe.name, peer.child, peer.call, EVENTS_OFF_MAX),
            ]
            rounds = 1 if self._quick else STREAM_ROUNDS
            mix = stream_case.StreamMix(recipe.streams, RAMP_S, WINDOW_S, rounds)
            self.streams += stream_case.measure(
                targets, direct, BASELINE, mix, directory, self._dice, self._steps
            )

    def _section(self, name: str) -> Path:
        directory = self._directory / name
        directory.mkdir()
        return directory


def main(arguments: Sequence[str]) -> int:
    """Read the command line, measure, print and write.

    Returns:
        0; 2 where nothing could run.
    """
    options = _options(arguments)
    console = Console(stderr=True)
    processes.end_on_signals()
    processes.raise_descriptor_limit()
    try:
        nginx.require()
        wrk.require()
    except processes.ChildFailed as error:
        console.print(f"benchmark stopped: {error}", style="red", markup=False)
        return 2
    made = _measure(options, console)
    report.show(made, report.wide_console())
    path = options.json or RESULTS / f"peers-{made.started.replace(':', '')}.json"
    report.write(made, path)
    console.print(f"written to {path}", style="dim")
    return 0


def _measure(options: argparse.Namespace, console: Console) -> Report:
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    machine = environment.read()
    time_before = procfs.machine_time()
    with (
        tempfile.TemporaryDirectory(prefix="headrace-bench-") as directory,
        progress.shown(console) as steps,
    ):
        bench = PeerBench(options.quick, options.seed, Path(directory), steps)
        for recipe in peer_recipes.RECIPES:
            if not options.only or recipe.slug.startswith(tuple(options.only)):
                bench.measure(recipe)
    stolen = procfs.stolen_share(time_before, procfs.machine_time())
    return Report(
        started=started,
        seed=options.seed,
        quick=options.quick,
        environment=machine,
        load=bench.load,
        streams=bench.streams,
        notes=[*environment.doubts(machine.load_average, stolen), *bench.notes],
    )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/peers.py",
        description="Installs other gateways outside the repository and measures them beside "
        "nginx and Headrace on this machine, on loopback.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument(
        "--only", nargs="+", metavar="PEER", help="vllm-router, tensorzero, portkey, litellm"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures are written")
    parser.add_argument("--seed", type=int, default=1, help="order of targets")
    return parser.parse_args(arguments)
