"""nginx as the yardstick (`proxy_pass`) and as the mock upstream (`return 200`), one worker each.

`master_process off` runs the worker's own loop in the one process there is, so that nothing
outlives the benchmark should it be killed.
"""

import contextlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import processes, workload
from headrace.bench.trials.nginx import Site, command, is_installed, passing

READY_PATH = "/readyz"
STATUS_PATH = "/mock-status"
QUIET_S = 0.15
# nginx takes no longer words in its configuration than 4,096 bytes.
WORD_LENGTH_MAX = 2000


class Nginx(msgspec.Struct, frozen=True):
    """A running nginx: its process, port and access log."""

    child: processes.Child
    port: int
    log: Path


@contextlib.contextmanager
def mock(directory: Path, answer: str | None = None) -> Iterator[Nginx]:
    """An upstream that answers every call with the same chat completion.

    Args:
        directory: where its files go.
        answer: the completion, without backslashes, dollars and single quotes; a short one where
            left out.
    """
    text = workload.completion() if answer is None else answer
    words = [text[at : at + WORD_LENGTH_MAX] for at in range(0, len(text), WORD_LENGTH_MAX)]
    parts = " ".join(f"set $part{number} '{word}';" for number, word in enumerate(words))
    whole = "".join(f"${{part{number}}}" for number in range(len(words)))
    server = f"""
    location / {{ default_type application/json; {parts} return 200 "{whole}"; }}
    location = /health {{ return 200; }}
    location = {STATUS_PATH} {{ stub_status; }}"""
    with _nginx("nginx-mock", directory, Site(server)) as started:
        yield started


@contextlib.contextmanager
def proxy(
    name: str, directory: Path, upstream_port: int, *, buffering: bool = True
) -> Iterator[Nginx]:
    """`proxy_pass` with kept-alive upstream connections, logging every request to a file."""
    site = passing(f"127.0.0.1:{upstream_port}", directory / f"{name}.log", buffering=buffering)
    with _nginx(name, directory, site) as started:
        yield started


def requests_served(port: int) -> int:
    """How many requests the mock upstream has answered, this one included."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", STATUS_PATH)
        return parse_stub_status(connection.getresponse().read().decode())
    finally:
        connection.close()


def settle(port: int, *, seconds_max: float = 10.0) -> int:
    """Wait until the mock is called no more, for a slow target may still be at its last calls.

    Returns:
        how many requests the mock has answered, the one that asked included.
    """
    deadline = time.monotonic() + seconds_max
    served = requests_served(port)
    while time.monotonic() < deadline:
        time.sleep(QUIET_S)
        now = requests_served(port)
        if now == served + 1:
            return now
        served = now
    return served


def parse_stub_status(text: str) -> int:
    """Read the number of requests out of a `stub_status` page."""
    return int(text.splitlines()[2].split()[2])


def require() -> None:
    """Check that nginx is there.

    Raises:
        ChildFailed: it is not; the message says how to get it.
    """
    if not is_installed():
        raise processes.ChildFailed("nginx is not installed: apt-get install nginx-light")


@contextlib.contextmanager
def _nginx(name: str, directory: Path, site: Site) -> Iterator[Nginx]:
    port = processes.free_port()
    home = directory / name
    home.mkdir()
    ready = f"location = {READY_PATH} {{ access_log off; return 200; }}"
    known = msgspec.structs.replace(site, inside=f"{site.inside}    {ready}")
    with processes.running(name, command("nginx", home, port, known), directory) as child:
        child.wait_ready(port, READY_PATH)
        yield Nginx(child, port, directory / f"{name}.log")
