"""How loaded this process is: the loop's lag, its share of a processor, and memory. Pure.

The texts of /proc come in as they are; who reads them, and how often, is the caller's part.
"""

from math import inf
from typing import Final, Literal

import msgspec

PressureName = Literal["lag", "cpu", "memory"]

_UTIME: Final = 11
_STIME: Final = 12
_RESIDENT: Final = 1


def parse_cpu_ticks(stat: str) -> int:
    """Clock ticks that a process spent on processors, from /proc/PID/stat.

    Raises:
        ValueError: it is no such text.
    """
    # The command's name may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    if len(fields) <= _STIME:
        raise ValueError("not a text of /proc/PID/stat: too few fields")
    return int(fields[_UTIME]) + int(fields[_STIME])


def parse_resident_pages(statm: str) -> int:
    """Pages of memory that a process holds, from /proc/PID/statm.

    Raises:
        ValueError: it is no such text.
    """
    fields = statm.split()
    if len(fields) <= _RESIDENT:
        raise ValueError("not a text of /proc/PID/statm: too few fields")
    return int(fields[_RESIDENT])


class CpuShare:
    """The share of one processor that a process takes, from readings of its ticks.

    Args:
        ticks_per_s: clock ticks in a second (`os.sysconf("SC_CLK_TCK")`).
    """

    __slots__ = ("_at_s", "_ticks", "_ticks_per_s")

    def __init__(self, ticks_per_s: int) -> None:
        self._ticks_per_s = ticks_per_s
        self._at_s = inf
        self._ticks = 0

    def update(self, ticks: int, now_s: float) -> float:
        """The share since the reading before; 0 at the first, and where the clock went back.

        Args:
            ticks: as read now.
            now_s: the time.
        """
        spent, span_s = ticks - self._ticks, now_s - self._at_s
        self._ticks, self._at_s = ticks, now_s
        return max(spent / self._ticks_per_s / span_s, 0.0) if span_s > 0 else 0.0


class PressureTerms(msgspec.Struct, frozen=True):
    """From where on a process counts as overloaded.

    Attributes:
        lag_s_max: the loop's lag, in seconds.
        cpu_share_max: share of one processor: one loop cannot use more than one.
        memory_bytes_max: resident memory; 0 for no bound.
        smoothing: weight of a new reading of lag and processor, above 0 and up to 1.
    """

    lag_s_max: float = 0.1
    cpu_share_max: float = 0.95
    memory_bytes_max: int = 0
    smoothing: float = 0.3


class Pressure:
    """Tells from readings whether a process has too much to do.

    Lag and processor are smoothed, for single readings jump; memory is taken as it is.

    Args:
        terms: the bounds.

    Attributes:
        lag_s: smoothed.
        cpu_share: smoothed.
        memory_bytes: as last read.
    """

    __slots__ = ("_terms", "cpu_share", "lag_s", "memory_bytes")

    def __init__(self, terms: PressureTerms) -> None:
        self._terms = terms
        self.lag_s = 0.0
        self.cpu_share = 0.0
        self.memory_bytes = 0

    def update(self, lag_s: float, cpu_share: float, memory_bytes: int) -> PressureName | None:
        """Take a reading in; says what is over its bound the most, `None` where nothing is.

        Args:
            lag_s: seconds by which a timer of the loop was late.
            cpu_share: from `CpuShare`.
            memory_bytes: resident memory.
        """
        smoothing = self._terms.smoothing
        self.lag_s += (max(lag_s, 0.0) - self.lag_s) * smoothing
        self.cpu_share += (cpu_share - self.cpu_share) * smoothing
        self.memory_bytes = memory_bytes
        name, level = max(self.levels().items(), key=lambda each: each[1])
        return name if level > 1 else None

    def levels(self) -> dict[PressureName, float]:
        """Each reading as a share of its bound: above 1 is too much."""
        terms = self._terms
        memory_max = terms.memory_bytes_max
        return {
            "lag": self.lag_s / terms.lag_s_max,
            "cpu": self.cpu_share / terms.cpu_share_max,
            "memory": self.memory_bytes / memory_max if memory_max else 0.0,
        }
