"""How fresh an answer is at a moment, and when one in demand is asked for again ahead of time.

Pure: time and chance are handed in. Moments of one answer must come from one clock.
"""

import enum
from collections.abc import Callable
from math import log
from typing import Final

# A record that says it was stored later than this from now tells of a clock that went back.
CLOCK_SKEW_S_MAX: Final = 60.0

# Chance reaches further back than this many mean distances once in 22,026 draws.
_REACH: Final = 10.0
# Of a short life, this much at most is spent looking out for the end.
_REACH_SHARE_MAX: Final = 0.5


class Freshness(enum.IntEnum):
    """What may be done with an answer. The later, the less."""

    FRESH = 0
    STALE_WHILE_REVALIDATE = 1
    """It is given, and asked for again behind the caller's back."""
    STALE_IF_ERROR = 2
    """It is asked for again first, and given only where that fails."""
    GONE = 3


def freshness(
    now_s: float, stored_s: float, fresh_until_s: float, stale_s: float, stale_if_error_s: float
) -> Freshness:
    """How fresh an answer is, as RFC 5861 has it.

    Args:
        now_s: the moment, seconds.
        stored_s: when it was stored. Further in the future than `CLOCK_SKEW_S_MAX`, its age is not
            known, and it is gone.
        fresh_until_s: end of its soft life.
        stale_s: how long after that it is given while it is asked for again, seconds.
        stale_if_error_s: how long after `fresh_until_s` it is given where asking fails, seconds.
    """
    if now_s < stored_s - CLOCK_SKEW_S_MAX:
        return Freshness.GONE
    late_s = now_s - fresh_until_s
    if late_s < 0.0:
        return Freshness.FRESH
    if late_s < stale_s:
        return Freshness.STALE_WHILE_REVALIDATE
    return Freshness.STALE_IF_ERROR if late_s < stale_if_error_s else Freshness.GONE


def gone_at_s(fresh_until_s: float, stale_s: float, stale_if_error_s: float) -> float:
    """End of an answer's hard life: from then on it is `Freshness.GONE`."""
    return fresh_until_s + max(0.0, stale_s, stale_if_error_s)


class EarlyRefresh:
    """Decides for each hit on an answer in demand whether it is asked for again ahead of its end.

    XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention,
    VLDB 2015): refresh when `now - seconds * beta * ln(u) >= fresh_until`. Callers, also of other
    processes, draw for themselves, so that few do it at once and nobody has to be told. Each early
    refresh is a paid call, so an answer has to be hot: used `hits_min` times in `window_s`. Uses
    are counted only near the end (`careful_s`), by whoever holds the answer, in one number.

    Args:
        uniform: draws from [0, 1).
        beta: above 1 refreshes earlier, below 1 later.
        window_s: time in which uses are counted, seconds.
        hits_min: uses within it that make an answer hot.

    Raises:
        ValueError: `beta` or `window_s` is not positive.
    """

    __slots__ = ("_beta", "_hits_min", "_uniform", "_window_s")

    def __init__(
        self,
        *,
        uniform: Callable[[], float],
        beta: float = 1.0,
        window_s: float = 10.0,
        hits_min: int = 10,
    ) -> None:
        if beta <= 0.0 or window_s <= 0.0:
            raise ValueError("beta and window_s have to be above 0")
        self._uniform = uniform
        self._beta = beta
        self._window_s = window_s
        self._hits_min = hits_min

    def careful_s(self, stored_s: float, fresh_until_s: float, seconds: float) -> float:
        """From when on uses of an answer are counted and `is_due` can say yes.

        Args:
            stored_s: when it was stored.
            fresh_until_s: end of its soft life.
            seconds: how long it takes to ask for it.
        """
        life_s = fresh_until_s - stored_s
        reach_s = max(self._window_s, _REACH * self._beta * seconds)
        return fresh_until_s - min(reach_s, _REACH_SHARE_MAX * life_s)

    def is_due(
        self, now_s: float, careful_s: float, fresh_until_s: float, seconds: float, late_uses: int
    ) -> bool:
        """Whether this hit refreshes the answer. Costs one comparison before `careful_s`.

        Args:
            now_s: the moment of the hit.
            careful_s: as it was told when the answer was stored.
            fresh_until_s: end of its soft life.
            seconds: how long it takes to ask for it.
            late_uses: uses since `careful_s`, this one included.
        """
        if now_s < careful_s:
            return False
        window_s = self._window_s
        if late_uses * window_s < self._hits_min * max(window_s, now_s - careful_s):
            return False
        # 1 - u: a draw may be 0, which has no logarithm.
        return now_s - seconds * self._beta * log(1.0 - self._uniform()) >= fresh_until_s
