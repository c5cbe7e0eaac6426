"""What became of the latest calls: how many failed, how many were slow. Pure.

A window of the last calls or of the last seconds, as in resilience4j's circuit breaker. Each has
the counts ready, so that a look at them costs nothing.
"""

from typing import Final, Protocol

FAILED: Final = 1
SLOW: Final = 2
_SLICES: Final = 10


class Outcomes(Protocol):
    """A window of outcomes.

    Attributes:
        calls: how many are in it.
        failures: those that failed.
        slows: those that were slow, whether they failed or not.
    """

    calls: int
    failures: int
    slows: int

    def add(self, outcome: int, now_s: float) -> None:
        """Take in a call that ended now.

        Args:
            outcome: 0, or `FAILED`, `SLOW` or both.
            now_s: monotonic seconds.
        """
        ...

    def clear(self) -> None:
        """Forget all."""
        ...


class LastCalls:
    """The outcomes of the last `size` calls.

    Args:
        size: how many.
    """

    __slots__ = ("_at", "_ring", "calls", "failures", "slows")

    def __init__(self, size: int) -> None:
        self._ring = bytearray(size)
        self._at = self.calls = self.failures = self.slows = 0

    def add(self, outcome: int, now_s: float) -> None:  # noqa: ARG002  # as of `Outcomes`
        """Take in a call, in place of the oldest where the window is full."""
        ring, at = self._ring, self._at
        gone = ring[at]
        if self.calls < len(ring):
            self.calls += 1
        if gone != outcome:
            ring[at] = outcome
            self.failures += (outcome & FAILED) - (gone & FAILED)
            self.slows += ((outcome & SLOW) - (gone & SLOW)) >> 1
        at += 1
        self._at = at if at < len(ring) else 0

    def clear(self) -> None:
        """Forget all."""
        self._ring[:] = bytes(len(self._ring))
        self._at = self.calls = self.failures = self.slows = 0


class LastSeconds:
    """The outcomes of the last seconds, to a tenth of the window.

    Args:
        window_s: how many seconds; a call leaves when they have passed, or up to a tenth earlier.
    """

    __slots__ = ("_end_s", "_ring", "_slice", "_slice_s", "calls", "failures", "slows")

    def __init__(self, window_s: float) -> None:
        self._slice_s = window_s / _SLICES
        self._slice = 0
        self._ring = _empty_slices()
        self._end_s = float("-inf")
        self.calls = self.failures = self.slows = 0

    def add(self, outcome: int, now_s: float) -> None:
        """Take in a call that ended now."""
        if now_s >= self._end_s:
            self._turn(now_s)
        current = self._ring[self._slice % _SLICES]
        self.calls += 1
        current[0] += 1
        if outcome:
            failed, slow = outcome & FAILED, outcome >> 1
            self.failures += failed
            self.slows += slow
            current[1] += failed
            current[2] += slow

    def clear(self) -> None:
        """Forget all."""
        self._ring = _empty_slices()
        self.calls = self.failures = self.slows = 0

    def _turn(self, now_s: float) -> None:
        latest = int(now_s // self._slice_s)
        for slice_ in range(latest - min(latest - self._slice, _SLICES) + 1, latest + 1):
            old = self._ring[slice_ % _SLICES]
            self.calls -= old[0]
            self.failures -= old[1]
            self.slows -= old[2]
            old[:] = (0, 0, 0)
        self._slice = latest
        self._end_s = (latest + 1) * self._slice_s


def _empty_slices() -> list[list[int]]:
    """Calls, failures and slow ones of each slice."""
    return [[0, 0, 0] for _ in range(_SLICES)]
