"""Gradient: lets the limit go with the ratio of what calls take at best to what they take now."""

from typing import Final

from headrace.flow.limit.base import check_bounds, check_share
from headrace.flow.signals import LeastSeen

GRADIENT_MIN: Final = 0.5
MEANS_IN_LEAST: Final = 2
SLOW_START_GROWTH: Final = 1.5
SLOW_START_GRADIENT_MIN: Final = 0.9
SLOW_START_USE_MIN: Final = 0.8
_MULTIPLE_MIN: Final = 1e-9  # a tiny time by a huge one comes to nothing, which nothing divides


class GradientLimit:
    """Learns from the signal, held against the least that was seen.

    As `GradientLimit` of Netflix's concurrency-limits: `gradient = clamp(tolerance * least / now,
    0.5, 1)`, `new = limit * gradient + queue`, and the limit becomes
    `limit * (1 - smoothing) + new * smoothing`. It holds still while less than half of the limit is
    in use. Other than there, `queue` is `queue_base + queue_share * limit` in place of the square
    root; the least is that of the last 5 to 10 minutes, and need not be probed for; and until the
    gradient falls below 0.9 for the first time the limit grows by half, each time with the second
    signal for which four fifths of it were in use: the first comes from calls that began before.

    The least has to be seen once: begin with fewer calls than the server is good for. Drops without
    a signal teach it nothing: put it beside a limit that learns from them
    (`headrace.flow.limit.lowest`). Signals are noisy one by one: let it see means
    (`headrace.flow.limit.windowed`).

    Args:
        initial: the limit to begin with.
        limit_min: never below.
        limit_max: never above.
        tolerance: how many times the least a signal may be before it counts as queueing.
        queue_base: calls that may queue, whatever the limit.
        queue_share: and the share of the limit on top.
        smoothing: weight of the new limit, above 0 and below 1.
        least: the signal where nothing queues, if it is known: 1 for signals that are multiples of
            the least already (`headrace.flow.signals`).

    Raises:
        ValueError: a number makes no sense.
    """

    __slots__ = (
        "_estimate",
        "_is_slow_start",
        "_is_used",
        "_max",
        "_min",
        "_per_least",
        "_queue_base",
        "_queue_share",
        "_seen",
        "_smoothing",
        "_tolerance",
        "limit",
    )

    def __init__(
        self,
        *,
        initial: int = 4,
        limit_min: int = 1,
        limit_max: int = 1000,
        tolerance: float = 1.2,
        queue_base: float = 0.2,
        queue_share: float = 0.05,
        smoothing: float = 0.3,
        least: float | None = None,
    ) -> None:
        check_bounds(initial, limit_min, limit_max)
        check_share("smoothing", smoothing)
        check_share("queue_share", queue_share)
        if least is not None and not 0 < least < float("inf"):
            raise ValueError(f"least is {least}: it has to be above 0")
        if not 1 <= tolerance < float("inf") or not 0 <= queue_base < float("inf"):
            raise ValueError(
                f"tolerance is {tolerance}, queue_base {queue_base}: the one has to be 1 or more, "
                "the other 0 or more"
            )
        self.limit = initial
        self._estimate = float(initial)
        self._min = float(limit_min)
        self._max = float(limit_max)
        self._tolerance = tolerance
        self._queue_base = queue_base
        self._queue_share = queue_share
        self._smoothing = smoothing
        self._is_slow_start = True
        self._is_used = True
        self._seen = LeastSeen(group=MEANS_IN_LEAST) if least is None else None
        self._per_least = 0.0 if least is None else 1.0 / least

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        """See `headrace.flow.limit.base.Limit`."""
        if is_drop or rtt_s <= 0:
            return
        seen = self._seen
        multiple = rtt_s * self._per_least if seen is None else seen.multiple(rtt_s, now_s)
        estimate = self._estimate
        if multiple is None or inflight * 2 < estimate:
            return
        gradient = max(GRADIENT_MIN, min(1.0, self._tolerance / max(multiple, _MULTIPLE_MIN)))
        if self._is_slow_start and gradient >= SLOW_START_GRADIENT_MIN:
            # What ends now may have begun before the limit grew: that says nothing about it.
            was_used, self._is_used = self._is_used, inflight >= estimate * SLOW_START_USE_MIN
            if not (was_used and self._is_used):
                return
            self._is_used = False
            estimate *= SLOW_START_GROWTH
        else:
            self._is_slow_start = False
            aim = estimate * gradient + self._queue_base + estimate * self._queue_share
            estimate += (aim - estimate) * self._smoothing
        self._estimate = max(self._min, min(self._max, estimate))
        self.limit = int(self._estimate)
