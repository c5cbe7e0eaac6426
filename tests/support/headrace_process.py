"""The `headrace` command, and programs of tests, in processes of their own, without importing
everything for each of them.

Importing takes ten times as long as all else of a start, and there are hundreds of them.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = str(ROOT / "src")
COMMAND: Final = "headrace.cli.main"
_NURSERY: Final = Path(__file__).with_name("nursery.py")


class HeadraceProcess:
    """A process that runs a program; as much of `subprocess.Popen` as tests want.

    Args:
        line: told its number, and in the end how it ended.
        arguments: of the command.
    """

    def __init__(self, line: socket.socket, arguments: tuple[str, ...]) -> None:
        self.args = ("headrace", *arguments)
        self.returncode: int | None = None
        self._line = line
        self._said = b""
        self.pid = self._number()

    def poll(self) -> int | None:
        """How it ended; `None` while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """How it ended: its status, or the negative of the signal that killed it.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self.returncode is None:
            end_s = None if timeout is None else time.monotonic() + timeout
            self.returncode = self._number(end_s)
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self, end_s: float | None = None) -> int:
        while not self._said.endswith(b"\n"):
            left_s = None if end_s is None else max(end_s - time.monotonic(), 0)
            self._line.settimeout(left_s)
            try:
                said = self._line.recv(64)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, left_s or 0) from None
            assert said, "whoever forks the processes has died"
            self._said += said
        number, _, self._said = self._said.partition(b"\n")
        return int(number)


def start(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path,
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = subprocess.DEVNULL,
    stderr: Any = subprocess.DEVNULL,
) -> "HeadraceProcess | subprocess.Popen[bytes]":
    """Run `headrace` with arguments.

    Args:
        arguments: of the command.
        environment: all of its environment. Where Python is to look for modules elsewhere, the
            process is a new one.
        folder: where it runs.
        stdin: an open file, or nothing; so are the others.
    """
    if environment.get("PYTHONPATH") not in (None, SOURCES, os.environ.get("PYTHONPATH")):
        return subprocess.Popen(
            [sys.executable, "-m", "headrace.cli.main", *arguments],
            env=environment,
            cwd=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
    return fork(
        COMMAND,
        *arguments,
        environment=environment,
        folder=folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )


def fork(
    program: str,
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path = ROOT,
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = subprocess.DEVNULL,
    stderr: Any = subprocess.DEVNULL,
) -> HeadraceProcess:
    """Run a program that `nursery.py` knows; as `start`.

    Args:
        program: a module with a function `main`, which finds its arguments where programs do.
    """
    line, theirs = socket.socketpair()
    with open(os.devnull, "r+b") as nothing, theirs:  # noqa: PTH123
        streams = [
            nothing.fileno() if each == subprocess.DEVNULL else each.fileno()
            for each in (stdin, stdout, stderr)
        ]
        socket.send_fds(_channel(program), [b"s"], [theirs.fileno(), *streams])
    request = {
        "arguments": arguments,
        "environment": dict(environment),
        "folder": os.fspath(folder),
    }
    line.sendall(json.dumps(request).encode() + b"\n")
    return HeadraceProcess(line, arguments)


def run(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path | None = None,
    stdin: bytes = b"",
    timeout_s: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run `headrace` with arguments until it ends; as `start`, in the current folder by default."""
    with TemporaryFile() as given, TemporaryFile() as stdout, TemporaryFile() as stderr:
        given.write(stdin)
        given.seek(0)
        process = start(
            *arguments,
            environment=environment,
            folder=folder or Path.cwd(),
            stdin=given,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            status = process.wait(timeout_s)
        finally:
            process.kill()
        stdout.seek(0)
        stderr.seek(0)
        told, complained = stdout.read().decode(), stderr.read().decode()
    return subprocess.CompletedProcess(process.args, status, told, complained)


def told_to_end(
    process: "HeadraceProcess | subprocess.Popen[bytes]", timeout_s: float = 60.0
) -> int:
    """How a process ends that is sent SIGTERM; killed where it does not end in time.

    Raises:
        subprocess.TimeoutExpired: it did not.
    """
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout_s)
    finally:
        process.kill()


@cache
def _channel(program: str) -> socket.socket:
    """To the process that forks runs of a program; it ends with this one."""
    paths = SOURCES if program == COMMAND else f"{SOURCES}{os.pathsep}{ROOT}"
    ours, theirs = socket.socketpair()
    with theirs:
        nursery = subprocess.Popen(
            [sys.executable, "-P", str(_NURSERY), str(theirs.fileno()), program],
            env={**os.environ, "PYTHONPATH": paths},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        nursery.wait()

    atexit.register(end)
    return ours
