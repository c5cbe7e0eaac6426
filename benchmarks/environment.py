"""The machine and the versions a run was made with."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.gateway import ROOT
from benchmarks.records import Environment


def read() -> Environment:
    """Ask the machine."""
    return Environment(
        kernel=platform.release(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        nginx=_version(["nginx", "-v"]),
        wrk=_version(["wrk", "-v"]),
        commit=_first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        load_average=os.getloadavg()[0],
    )


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


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
    return lines[0] if lines else "unknown"
