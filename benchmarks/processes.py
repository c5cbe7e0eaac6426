"""The benchmark's children: started in a session of their own and gone on every way out."""

import contextlib
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from headrace.tied import tied

STOP_S_MAX = 8.0
DESCRIPTORS_WANTED = 65_536
TAIL_LINES = 12
TAIL_LINE_LENGTH = 200
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ChildFailed(Exception):
    """A child could not be started, died, or did not answer in time."""


class Child:
    """A running process; its output goes to a file.

    Args:
        name: what it is called in messages.
        process: the process, leader of its own session.
        output: the file its standard output and error go to.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], output: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._output = output

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines it wrote, without colours and cut to a readable length."""
        text = self._output.read_text(errors="replace") if self._output.exists() else ""
        shown = COLOUR.sub("", text).splitlines()[-lines:]
        return "\n".join(line[:TAIL_LINE_LENGTH] for line in shown)

    def wait_ready(self, port: int, path: str, *, seconds_max: float = 15.0) -> None:
        """Wait until a GET of `path` answers 200.

        Raises:
            ChildFailed: it died or did not answer within `seconds_max`.
        """
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline:
            if not self.alive:
                raise ChildFailed(f"{self.name} ended before it was ready:\n{self.tail()}")
            if _answers(port, path):
                return
            time.sleep(0.02)
        raise ChildFailed(
            f"{self.name} did not answer {path} within {seconds_max:g} s:\n{self.tail()}"
        )

    def wait_said(self, pattern: str, *, seconds_max: float = 30.0) -> str:
        """Wait until its output matches `pattern`; returns the first group.

        Raises:
            ChildFailed: it died or did not say so within `seconds_max`.
        """
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline and self.alive:
            found = re.search(pattern, self._output.read_text(errors="replace"))
            if found:
                return found.group(1)
            time.sleep(0.02)
        raise ChildFailed(f"{self.name} ended or never said what was waited for:\n{self.tail()}")

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it and whatever it started: first politely, then for certain."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S_MAX)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def running(
    name: str,
    arguments: Sequence[str],
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> Iterator[Child]:
    """Run a process for the length of a `with` block.

    Args:
        name: what it is called; also names its output file.
        arguments: program and arguments.
        directory: where its output file goes.
        environment: variables added to the present ones.
        working_directory: where it starts; `directory` where left out.
    """
    output = directory / f"{name.replace(' ', '-')}.out"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            tied(arguments),
            cwd=working_directory or directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child = Child(name, process, output)
    try:
        yield child
    finally:
        child.stop()


def run_to_end(arguments: Sequence[str], *, seconds_max: float, cwd: Path | None = None) -> str:
    """Run a process to its end and return its standard output.

    Raises:
        ChildFailed: it failed or took longer than `seconds_max`.
    """
    try:
        done = subprocess.run(
            tied(arguments),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds_max,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(f"{arguments[0]} took longer than {seconds_max:g} s") from error
    if done.returncode != 0:
        shown = (done.stderr or done.stdout).strip()[-1500:]
        raise ChildFailed(f"{' '.join(arguments[:3])} failed ({done.returncode}):\n{shown}")
    return done.stdout


def empty_file(path: Path) -> int:
    """Empty a file that a child appends to; returns how many bytes it had."""
    if not path.exists():
        return 0
    size = path.stat().st_size
    os.truncate(path, 0)
    return size


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets us, for thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def end_on_signals() -> None:
    """Make Ctrl-C, SIGTERM and SIGHUP orderly exits that stop every child."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    # A shell starts its background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
