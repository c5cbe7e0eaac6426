"""The command line of the benchmark: what is measured, how it is judged, where figures go."""

import argparse
import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks import (
    adaptive_case,
    bars,
    endurance_case,
    environment,
    everything_case,
    gateway,
    nginx,
    policy_case,
    processes,
    procfs,
    progress,
    report,
    semantic_case,
    tier_case,
    toolkit_case,
    workload_case,
    wrk,
)
from benchmarks.bench import ASKED_FOR, CASES, FULL, QUICK, WITH_WRK, WITHOUT_NGINX, Bench, Effort
from benchmarks.records import Bar, Verdict
from benchmarks.run_record import Report

RESULTS = gateway.ROOT / "benchmarks" / "results"


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
        if set(options.cases) - set(WITHOUT_NGINX):
            nginx.require()
        if set(WITH_WRK) & set(options.cases):
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
    found: dict[str, object] = {}
    failures: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="headrace-bench-") as directory,
        progress.shown(console) as steps,
    ):
        bench = Bench(
            _effort(options), not options.yardsticks, options.seed, Path(directory), steps
        )
        for case, (field, run) in bench.sections().items():
            if case in options.cases:
                try:
                    found[field] = run()
                except processes.ChildFailed as error:
                    failures.append(f"{case} could not be run: {error}")
    stolen = procfs.stolen_share(time_before, procfs.machine_time())
    made = msgspec.convert(
        {
            "started": started,
            "seed": options.seed,
            "quick": options.quick,
            "environment": machine,
            **found,
        },
        Report,
    )
    notes = [
        *environment.doubts(machine.load_average, stolen),
        *toolkit_case.notes(made.toolkit),
        *(made.workload.notes if made.workload is not None else []),
        *failures,
    ]
    return msgspec.structs.replace(made, notes=notes, bars=_bars(made)), bool(failures)


def _effort(options: argparse.Namespace) -> Effort:
    effort = QUICK if options.quick else FULL
    if options.endurance_minutes is None:
        return effort
    return msgspec.structs.replace(effort, endurance_minutes=options.endurance_minutes)


def _bars(made: Report) -> list[Bar]:
    """Every promise, held against what was measured."""
    return [
        *bars.judge(made.load, made.streams, made.open_loop, made.footprint, made.start_up),
        *policy_case.bars(made.policies),
        *adaptive_case.bars(made.adaptive),
        *semantic_case.bars(made.semantic),
        *toolkit_case.judge(made.toolkit),
        *tier_case.bars(made.tiers),
        *workload_case.bars(made.workload),
        *endurance_case.bars(made.endurance),
        *everything_case.judge(made.everything),
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
        choices=(*CASES, *ASKED_FOR),
        default=list(CASES),
        metavar="CASE",
        help=f"only these: {', '.join(CASES)}; or, only when named, "
        + "; ".join(f"{case}: {tells}" for case, tells in ASKED_FOR.items()),
    )
    parser.add_argument(
        "--endurance-minutes",
        type=_minutes,
        metavar="MINUTES",
        help="how long endurance works, a million operations a minute: "
        f"{FULL.endurance_minutes:g}, with --quick {QUICK.endurance_minutes:g}",
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


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0.05 <= minutes <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.05 and 1440 minutes")
    return minutes
