"""Memory and CPU time of a target's processes, from the system's own account of them."""

import asyncio
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from headrace.bench.records import Reading
from headrace.clock import Clock

_EVERY_S: Final = 0.5
_READINGS_MAX: Final = 2000
_PROCESSES: Final = Path("/proc")


class Watch:
    """Reads what a process and its children take, for as long as it is kept.

    Args:
        pid: of the process; without one, nothing is read.
        clock: the time.

    Attributes:
        readings: so far, at times of the monotonic clock; half of them are let go when there are
            2,000, and those to come are then half as many.
    """

    def __init__(self, pid: int | None, clock: Clock) -> None:
        self._pid = pid
        self._clock = clock
        self._every_s = _EVERY_S
        self._timer: asyncio.TimerHandle | None = None
        self._moments: list[asyncio.TimerHandle] = []
        self.readings: list[Reading] = []

    def start(self) -> None:
        """Read now and then, until the process is gone or `stop` is called."""
        if not self._read():
            return
        if len(self.readings) >= _READINGS_MAX:
            del self.readings[1::2]
            self._every_s *= 2
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self.start)

    def also_at(self, times_s: Iterable[float]) -> None:
        """Read at these times of the monotonic clock as well: what lies between them is exact."""
        loop, now_s = asyncio.get_running_loop(), self._clock.monotonic_s()
        self._moments += [loop.call_later(max(0.0, at_s - now_s), self._read) for at_s in times_s]

    def stop(self) -> None:
        """Read once more, and no more."""
        for timer in (self._timer, *self._moments):
            if timer is not None:
                timer.cancel()
        self._read()

    def _read(self) -> bool:
        """Whether the process is there."""
        taken = None if self._pid is None else tree(self._pid)
        if taken is not None:
            self.readings.append(Reading(self._clock.monotonic_s(), *taken))
        return taken is not None


def tree(pid: int) -> tuple[float, float] | None:
    """Resident megabytes and CPU seconds of a process and its descendants; `None`: it is gone.

    Pages that several of them share count for each. The time of a child that has ended counts from
    when its parent has waited for it.
    """
    own = _process(pid)
    if own is None:
        return None
    rss_mb, cpu_s = own
    for child in _children(pid):
        below = tree(child)
        if below is not None:
            rss_mb, cpu_s = rss_mb + below[0], cpu_s + below[1]
    return rss_mb, cpu_s


def _process(pid: int) -> tuple[float, float] | None:
    try:
        # The name, in brackets, may hold anything.
        fields = (_PROCESSES / str(pid) / "stat").read_text("latin-1").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, pages = fields[0], int(fields[21])
    if state in {"Z", "X"}:
        return None
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    own_s = _clock_of(pid)
    if own_s is None:
        own_s = sum(map(int, fields[11:13])) * tick_s
    # And that of children it has waited for: else the sum falls when one ends.
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, own_s + sum(map(int, fields[13:15])) * tick_s


def _clock_of(pid: int) -> float | None:
    """CPU seconds of a process to the nanosecond, where the system has a clock for each.

    `stat` tells ticks of 10 ms, a sixth of what a gateway takes for a thousand requests.
    """
    if sys.platform != "linux":
        return None
    try:
        # clock_getcpuclockid(3), which Python does not offer: CPUCLOCK_SCHED of a process.
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return None


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in (_PROCESSES / str(pid) / "task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return found
    return found
