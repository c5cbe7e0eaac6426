"""Counts of durations in classes of equal ratio: bounded, exact in number, 1 % in value."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

_RATIO_LOG: Final = math.log(1.02)
_LEAST: Final = 1e-7


def class_of(value: float) -> int:
    """The class that a value is counted in."""
    return int(math.log(value / _LEAST) / _RATIO_LOG) if value > _LEAST else 0


class Histogram:
    """Durations by class; each is within 1 % of what its class is given out as.

    Args:
        counts: by class, of a histogram that was taken down.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = dict(counts or {})

    def add(self, value: float) -> None:
        """Count a value; what is below 0.1 µs counts as that."""
        place = class_of(value)
        self.counts[place] = self.counts.get(place, 0) + 1

    def merge(self, others: Iterable["Histogram"]) -> "Histogram":
        """Count in what the others counted, and return itself."""
        for other in others:
            for place, count in other.counts.items():
                self.counts[place] = self.counts.get(place, 0) + count
        return self

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def quantile(self, share: float) -> float | None:
        """The value that `share` of all do not exceed; `None` where there are none."""
        left = math.ceil(share * self.total)
        for place in sorted(self.counts):
            left -= self.counts[place]
            if left <= 0:
                return _LEAST * math.exp((place + 0.5) * _RATIO_LOG)
        return None
