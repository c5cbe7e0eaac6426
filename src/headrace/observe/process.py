"""What the operating system says about this process, put into its row now and then."""

import os
import resource
from pathlib import Path
from typing import Protocol

import msgspec

from headrace.observe.handles import Counter, Gauge

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PEAK_UNIT_BYTES = 1024


class ProcessReading(msgspec.Struct, frozen=True):
    """A process at one moment.

    Attributes:
        cpu_s: seconds that it spent on processors so far.
        memory_bytes: resident memory.
    """

    cpu_s: float
    memory_bytes: int


class Sampled(Protocol):
    """Where the readings of a process go."""

    process_cpu: Counter
    process_memory: Gauge


class ProcessSampler:
    """Reads memory and CPU time of this process; made in the worker, after the fork.

    CPU time is added as it passes, so that a restarted worker's row never goes back.

    Args:
        metrics: where the readings go.
    """

    def __init__(self, metrics: Sampled) -> None:
        self._metrics = metrics
        self._cpu_s = 0.0

    def sample(self) -> ProcessReading:
        """Bring the process's metrics up to date; tens of microseconds."""
        cpu_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        self._metrics.process_cpu.increment(max(0.0, cpu_s - self._cpu_s))
        self._cpu_s = cpu_s
        reading = ProcessReading(cpu_s, _resident_bytes())
        self._metrics.process_memory.set(reading.memory_bytes)
        return reading


def _resident_bytes() -> int:
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        # Where there is no /proc the peak is the nearest there is.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT_BYTES
