"""Memory: idle, and after the cache is full. Start-up: `import headrace` and `--help`."""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks import gateway, processes, procfs
from benchmarks.gateway import ROOT
from benchmarks.http_client import CountPlan, CountRun
from benchmarks.progress import Steps
from benchmarks.ratios import spread
from benchmarks.records import Footprint, StartUp
from benchmarks.workload import new_nonce

CACHE_MB = 16
# 16 MB hold fewer: an answer alone has 350 bytes.
FILLING_REQUESTS = 60_000
QUARTERS = 4
CONNECTIONS = 32
REQUESTS_S_MAX = 300.0
COMMANDS = {
    "bare": ("-c", "pass"),
    "import": ("-c", "import headrace"),
    "help": ("-m", "headrace.cli.main", "--help"),
}


def memory(directory: Path, mock_port: int, requests: int, steps: Steps) -> Footprint:
    """Resident memory idle, and while `requests` distinct requests pass a full cache."""
    steps.start("memory", QUARTERS + 2)
    with gateway.serving("headrace-small", directory, mock_port, cache_mb=CACHE_MB) as started:
        idle = procfs.tree_memory(started.child.pid)
        steps.done("idle")
        nonce = new_nonce()
        errors = _send(started, nonce, 0, FILLING_REQUESTS, directory)
        steps.done("cache full")
        readings = [procfs.tree_memory(started.child.pid).rss_mib]
        part = requests // QUARTERS
        for quarter in range(QUARTERS):
            first = FILLING_REQUESTS + quarter * part
            errors += _send(started, nonce, first, part, directory)
            readings.append(procfs.tree_memory(started.child.pid).rss_mib)
            processes.empty_file(started.log)
            steps.done(f"{(quarter + 1) * 100 // QUARTERS} %")
    return Footprint(idle.rss_mib, idle.pss_mib, readings, part * QUARTERS, errors)


def _send(started: gateway.Gateway, nonce: str, first: int, requests: int, directory: Path) -> int:
    plan = CountPlan(started.call, nonce, first, requests, CONNECTIONS)
    written = directory / "count-plan.json"
    written.write_bytes(msgspec.json.encode(plan))
    output = processes.run_to_end(
        [sys.executable, "-m", "benchmarks.http_client", str(written)],
        seconds_max=REQUESTS_S_MAX,
        cwd=ROOT,
    )
    return msgspec.json.decode(output, type=CountRun).errors


def start_up(rounds: int, steps: Steps) -> StartUp:
    """Wall time of fresh processes, in turn, after one of each to fill the file caches."""
    steps.start("start-up", rounds + 1)
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            taken_s = _process_s(arguments)
            if turn:
                seconds[name].append(taken_s)
        steps.done(f"{turn} of {rounds}")
    return StartUp(*(spread(seconds[name]) for name in COMMANDS))


def _process_s(arguments: tuple[str, ...]) -> float:
    # Users have compiled files: an environment that forbids them would measure the compiler.
    environment = {**os.environ, **gateway.environment()}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begin_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    taken_s = time.perf_counter() - begin_s
    if done.returncode != 0:
        raise processes.ChildFailed(f"python {' '.join(arguments)} failed:\n{done.stderr[-1500:]}")
    return taken_s
