"""nginx as the yardstick (`proxy_pass`) and as the mock upstream (`return 200`), one worker each.

`master_process off` runs the worker's own loop in the one process there is, so that nothing
outlives the benchmark should it be killed.
"""

import contextlib
import http.client
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import processes, workload

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
    access_log off;
    location / {{ default_type application/json; {parts} return 200 "{whole}"; }}
    location = /health {{ return 200; }}
    location = {STATUS_PATH} {{ stub_status; }}"""
    with _nginx("nginx-mock", directory, server, "") as started:
        yield started


@contextlib.contextmanager
def proxy(
    name: str, directory: Path, upstream_port: int, *, buffering: bool = True
) -> Iterator[Nginx]:
    """`proxy_pass` with kept-alive upstream connections, logging every request to a file."""
    outside = f"""
  upstream mock {{
    server 127.0.0.1:{upstream_port};
    keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 300s;
  }}"""
    server = f"""
    access_log {directory / f"{name}.log"};
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering {"on" if buffering else "off"};
    }}"""
    with _nginx(name, directory, server, outside) as started:
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
    if shutil.which("nginx") is None:
        raise processes.ChildFailed("nginx is not installed: apt-get install nginx-light")


@contextlib.contextmanager
def _nginx(name: str, directory: Path, server: str, outside: str) -> Iterator[Nginx]:
    port = processes.free_port()
    home = directory / name
    home.mkdir()
    temporary = "\n".join(
        f"  {kind}_temp_path {home / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = home / "nginx.conf"
    configuration.write_text(f"""
daemon off; master_process off; worker_processes 1;
pid {home / "pid"};
error_log {home / "error.log"} error;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
{temporary}{outside}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
    location = {READY_PATH} {{ access_log off; return 200; }}{server}
  }}
}}
""")
    arguments = ["nginx", "-p", str(home), "-c", str(configuration), "-e", str(home / "error.log")]
    with processes.running(name, arguments, directory) as child:
        child.wait_ready(port, READY_PATH)
        yield Nginx(child, port, directory / f"{name}.log")
