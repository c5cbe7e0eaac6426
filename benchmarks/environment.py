"""The machine and the versions a run was made with."""

import os
import platform
import shutil
import subprocess

from benchmarks.gateway import ROOT
from benchmarks.records import Environment
from headrace.bench.records import processor

LOAD_AVERAGE_MAX = 0.5
STOLEN_SHARE_MAX = 0.02


def read() -> Environment:
    """Ask the machine."""
    return Environment(
        kernel=platform.release(),
        processor=processor(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        nginx=_version(["nginx", "-v"]),
        wrk=_version(["wrk", "-v"]),
        commit=_first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        load_average=os.getloadavg()[0],
    )


def doubts(load_average: float, stolen_share: float) -> list[str]:
    """Why the figures of a run should not be quoted; empty where nothing speaks against it.

    Args:
        load_average: of the last minute before the run.
        stolen_share: time the host gave to others during the run.
    """
    notes = []
    if load_average > LOAD_AVERAGE_MAX:
        notes.append(f"the machine was busy before the run (load {load_average:.1f})")
    if stolen_share > STOLEN_SHARE_MAX:
        notes.append(f"the host took {stolen_share:.1%} of the machine's time during the run")
    return notes


def _version(command: list[str]) -> str:
    # Both print it to either stream and with either exit code.
    return _first_line(command).removeprefix("nginx version: nginx/").split(" [")[0]


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "not installed"
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=10,
        check=False,
    )
    lines = done.stdout.splitlines()
    return lines[0] if lines and not lines[0].startswith("fatal") else "unknown"
