"""Quantiles of durations, of late, in a fixed number of bytes. Pure.

Buckets whose bounds grow by a tenth, so that every quantile is right to within a tenth of itself
(DDSketch: Masson, Rim, Lee 2019), and mostly nearer, since durations are taken to lie evenly in
their bucket. Counts lose half as time goes by, so that what was long ago counts for less and less.
"""

from math import ceil, log
from typing import Final

DURATION_S_MIN: Final = 0.001
DURATION_S_MAX: Final = 1000.0
_GROWTH: Final = 1.1
_BUCKETS: Final = ceil(log(DURATION_S_MAX / DURATION_S_MIN) / log(_GROWTH)) + 1
_PER_LOG: Final = 1 / log(_GROWTH)


class DurationSketch:
    """Durations from a millisecond to a thousand seconds; what is beyond counts as the bound.

    Args:
        memory: after so many durations, all that came so far counts half.

    Attributes:
        weight: durations taken in, with halved ones as halves; never above `memory`.
    """

    __slots__ = ("_counts", "_memory", "weight")

    def __init__(self, memory: int = 1000) -> None:
        self._counts = [0.0] * _BUCKETS
        self._memory = memory
        self.weight = 0.0

    def add(self, duration_s: float) -> None:
        """Take in a duration in seconds."""
        if duration_s <= DURATION_S_MIN:
            bucket = 0
        elif duration_s >= DURATION_S_MAX:
            bucket = _BUCKETS - 1
        else:
            bucket = ceil(log(duration_s / DURATION_S_MIN) * _PER_LOG)
        self._counts[bucket] += 1.0
        self.weight += 1.0
        if self.weight >= self._memory:
            self._counts = [count / 2 for count in self._counts]
            self.weight /= 2

    def quantile_s(self, share: float) -> float | None:
        """The duration that `share` of them do not exceed; `None` where there are none."""
        if not self.weight:
            return None
        left = share * self.weight
        for bucket, count in enumerate(self._counts):
            if left <= count and count:
                upper_s = DURATION_S_MIN * _GROWTH**bucket
                within_s = (upper_s - upper_s / _GROWTH) * (1 - left / count) if bucket else 0.0
                return min(upper_s - within_s, DURATION_S_MAX)
            left -= count
        return DURATION_S_MAX
