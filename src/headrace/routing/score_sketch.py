"""Recent scores in a fixed number of bytes: their quantiles, and what thresholds cost. Pure.

Equal buckets of logits, in which scores are taken to lie evenly: a quantile is right to within a
sixteenth of a logit, which is 1.6 points of probability at the most. Counts fade with time, by
half in `half_life_s`, and with number, so that they stay bounded and recent.
"""

from math import ceil
from typing import Final

from headrace.routing.complexity.weights import probability

_LOGIT_MAX: Final = 12.0
_PER_LOGIT: Final = 16
_BUCKETS: Final = ceil(2 * _LOGIT_MAX * _PER_LOGIT)
_MEMORY: Final = 100_000
# So little is nothing.
_COUNT_MIN: Final = 1e-6


class ScoreSketch:
    """Logits from -12 to 12; what is beyond counts as the bound.

    Args:
        half_life_s: after this long a score counts half.
        memory: after so many scores all that came so far counts half.

    Attributes:
        weight: scores taken in, faded ones as fractions.
    """

    __slots__ = ("_counts", "_faded_s", "_half_life_s", "_memory", "weight")

    def __init__(self, half_life_s: float, memory: int = _MEMORY) -> None:
        self._counts = [0.0] * _BUCKETS
        self._half_life_s = half_life_s
        self._memory = memory
        self._faded_s: float | None = None
        self.weight = 0.0

    def add(self, logit: float, now_s: float) -> None:
        """Take in a score at monotonic seconds."""
        if self._faded_s is None:
            self._faded_s = now_s
        bucket = int((logit + _LOGIT_MAX) * _PER_LOGIT)
        self._counts[max(0, min(_BUCKETS - 1, bucket))] += 1.0
        self.weight += 1.0
        if self.weight >= self._memory:
            self._scale(0.5)

    def fade(self, now_s: float) -> None:
        """Let what is there count for as much less as it has grown older since the last time."""
        if self._faded_s is None:
            return
        passed_s, self._faded_s = now_s - self._faded_s, now_s
        if passed_s > 0:
            self._scale(0.5 ** (passed_s / self._half_life_s))

    def quantile(self, share: float) -> float:
        """The logit that `share` of the scores are below; without scores that of the middle."""
        left = share * self.weight
        for bucket, count in enumerate(self._counts):
            if left <= count and (count or left <= 0):
                return _edge(bucket) + (left / count if count else 0.0) / _PER_LOGIT
            left -= count
        return _LOGIT_MAX

    def where_loss_is(self, share: float) -> float:
        """The highest threshold below which losses come to `share` of all requests at the most.

        A loss is a request for which the cheap model is not good enough; how many are is what
        their scores say.
        """
        left = share * self.weight
        for bucket, count in enumerate(self._counts):
            loss = count * probability(_edge(bucket) + 0.5 / _PER_LOGIT)
            if loss > left:
                return _edge(bucket) + (left / loss) / _PER_LOGIT
            left -= loss
        return _LOGIT_MAX

    def _scale(self, by: float) -> None:
        self._counts = [count * by if count > _COUNT_MIN else 0.0 for count in self._counts]
        self.weight = sum(self._counts)


def _edge(bucket: int) -> float:
    return bucket / _PER_LOGIT - _LOGIT_MAX
