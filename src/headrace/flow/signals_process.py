"""How loaded this process is: the loop's lag, its share of a processor, and memory. Pure."""

from math import inf
from typing import Final, Literal

import msgspec

PressureName = Literal["lag", "cpu", "memory"]

# A single reading counts for no more than so many times its bound: a process that was stopped for a
# minute is late by a minute once, and has no more to do than before.
_READING_MAX: Final = 2.0


class CpuShare:
    """The share of one processor that a process takes, from readings of its processor time."""

    __slots__ = ("_at_s", "_spent_s")

    def __init__(self) -> None:
        self._at_s = inf
        self._spent_s = 0.0

    def update(self, spent_s: float, now_s: float) -> float:
        """The share since the reading before; 0 at the first, and where the clock went back.

        Args:
            spent_s: seconds that the process spent on processors so far.
            now_s: the time.
        """
        spent, span_s = spent_s - self._spent_s, now_s - self._at_s
        self._spent_s, self._at_s = spent_s, now_s
        return max(spent / span_s, 0.0) if span_s > 0 else 0.0


class PressureTerms(msgspec.Struct, frozen=True):
    """From where on a process counts as overloaded.

    A processor that is busy all the time is no sign by itself: that is how a gateway looks that
    gets everything done. Only where the loop is late as well there is more to do than can be done.

    Attributes:
        lag_s_max: the loop's lag, in seconds, whatever makes it late.
        busy_lag_s_max: the same while `cpu_share_max` is exceeded.
        cpu_share_max: share of one processor: one loop cannot use more than one.
        memory_bytes_max: resident memory; 0 for no bound.
        smoothing: weight of a new reading of lag and processor, above 0 and up to 1.
        ease: share of every bound that all have to be below until it is over.
    """

    lag_s_max: float = 1.0
    busy_lag_s_max: float = 0.5
    cpu_share_max: float = 0.9
    memory_bytes_max: int = 0
    smoothing: float = 0.3
    ease: float = 0.9


class Pressure:
    """Tells from readings whether a process has too much to do.

    Lag and processor are smoothed, for single readings jump; memory is taken as it is.

    Args:
        terms: the bounds.

    Attributes:
        name: what is over its bound the most, or was and has not eased yet; `None` for nothing.
        lag_s: smoothed.
        cpu_share: smoothed.
        memory_bytes: as last read.
    """

    __slots__ = ("cpu_share", "lag_s", "memory_bytes", "name", "terms")

    def __init__(self, terms: PressureTerms) -> None:
        self.terms = terms
        self.name: PressureName | None = None
        self.lag_s = 0.0
        self.cpu_share = 0.0
        self.memory_bytes = 0

    def update(self, lag_s: float, cpu_share: float, memory_bytes: int) -> PressureName | None:
        """Take a reading in; says `name`.

        Args:
            lag_s: seconds by which a timer of the loop was late.
            cpu_share: from `CpuShare`.
            memory_bytes: resident memory.
        """
        terms = self.terms
        counted_s = min(max(lag_s, 0.0), terms.lag_s_max * _READING_MAX)
        self.lag_s += (counted_s - self.lag_s) * terms.smoothing
        self.cpu_share += (cpu_share - self.cpu_share) * terms.smoothing
        self.memory_bytes = memory_bytes
        name, level = max(self.levels().items(), key=lambda each: each[1])
        if level > 1:
            self.name = name
        elif level < terms.ease:
            self.name = None
        return self.name

    def levels(self) -> dict[PressureName, float]:
        """Each reading as a share of its bound: above 1 is too much."""
        terms = self.terms
        memory_max = terms.memory_bytes_max
        return {
            "lag": self.lag_s / terms.lag_s_max,
            "cpu": min(self.cpu_share / terms.cpu_share_max, self.lag_s / terms.busy_lag_s_max),
            "memory": self.memory_bytes / memory_max if memory_max else 0.0,
        }
