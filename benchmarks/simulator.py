"""The simulated provider in a process of its own: it counts its calls, and has embeddings."""

import contextlib
import http.client
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import gateway, processes

CHAT_PATH = "/v1/chat/completions"


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[int]:
    """A provider without delays on a free loopback port, which is what is given.

    Args:
        directory: where its output goes.

    Raises:
        ChildFailed: it does not start.
    """
    port = processes.free_port()
    command = [sys.executable, "-m", "headrace.cli.main", "sim", "--port", str(port)]
    with processes.running(
        "simulator",
        [*command, "--profile", "instant"],
        directory,
        environment=gateway.environment(),
    ) as child:
        child.wait_ready(port, "/healthz")
        yield port


def chats(port: int) -> int:
    """Chat completions that it was asked for so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
    try:
        connection.request("GET", "/_sim/stats")
        told: Mapping[str, Mapping[str, int]] = json.load(connection.getresponse())["requests"]
        return sum(told.get(CHAT_PATH, {}).values())
    finally:
        connection.close()
