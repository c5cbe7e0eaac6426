"""What this machine takes just now for work that never changes, each time in a fresh process."""

import subprocess
import sys
from typing import Final

import msgspec

from headrace.errors import HeadraceError
from headrace.tied import tied

_TIMEOUT_S: Final = 60.0
# What a proxy does, in small: a document read, changed and written, and sent through a socket.
_LOOP: Final = """
import json, socket, time
here, there = socket.socketpair()
text = json.dumps({"model": "m", "messages": [{"role": "user", "content": "water " * 40}]})
def once(number):
    document = json.loads(text)
    document["number"] = number
    here.send(json.dumps(document).encode())
    there.recv(4096)
for number in range(200):
    once(number)
begun = time.process_time_ns()
for number in range(2000):
    once(number)
print((time.process_time_ns() - begun) / 2000 / 1000)
"""
# Not by getrusage(2), whose peak is that of the process before it became this program.
_TOLD: Final = """
import os, time
spent = time.process_time() * 1000
print(spent, int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
"""
_IMPORT: Final = "from headrace import Adapter\n" + _TOLD


class YardstickLost(HeadraceError):
    """A yardstick could not be measured."""


class Yardsticks(msgspec.Struct, frozen=True):
    """What was measured in one block.

    Attributes:
        loop_us: CPU time of one round of a loop.
        bare_cpu_ms: CPU time of an interpreter that does nothing.
        bare_rss_mb: its memory.
        import_cpu_ms: CPU time of one that imports the library.
    """

    loop_us: float
    bare_cpu_ms: float
    bare_rss_mb: float
    import_cpu_ms: float

    @classmethod
    def measured(cls) -> "Yardsticks":
        """Measure them, which takes a second or less.

        Raises:
            YardstickLost: a process failed.
        """
        (loop_us,) = _said(_LOOP)
        bare_cpu_ms, bare_rss_mb = _said(_TOLD)
        import_cpu_ms, _ = _said(_IMPORT)
        return cls(loop_us, bare_cpu_ms, bare_rss_mb, import_cpu_ms)


def _said(program: str) -> list[float]:
    """What a program prints."""
    command = tied([sys.executable, "-c", program])
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            # Ctrl-C is for the gate, which then tells what there is.
            start_new_session=True,
        )
        return (
            [float(word) for word in done.stdout.split()] if done.returncode == 0 else _lost(done)
        )
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise YardstickLost(f"a yardstick was not measured: {error}") from None


def _lost(done: subprocess.CompletedProcess[bytes]) -> list[float]:
    said = done.stderr.decode("utf-8", "replace").strip()[-500:]
    raise YardstickLost(f"a yardstick ended with status {done.returncode}: {said}")
