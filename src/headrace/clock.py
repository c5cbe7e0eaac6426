"""Time as a dependency: everything that needs the time is handed a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start that never go back."""
        ...

    def wall_s(self) -> float:
        """Seconds since 1970-01-01 UTC; may jump."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    monotonic_s = staticmethod(time.perf_counter)
    wall_s = staticmethod(time.time)


class ManualClock:
    """A clock that moves only when told to, for tests and simulations.

    Args:
        wall_s: the wall time at the start, seconds since the epoch.
    """

    __slots__ = ("_monotonic_s", "_wall_s")

    def __init__(self, wall_s: float = 1_700_000_000.0) -> None:
        self._monotonic_s = 0.0
        self._wall_s = wall_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def wall_s(self) -> float:
        return self._wall_s

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds`."""
        self._monotonic_s += seconds
        self._wall_s += seconds

    def jump(self, seconds: float) -> None:
        """Put the wall clock ahead or back, as a hand or a time server does."""
        self._wall_s += seconds
