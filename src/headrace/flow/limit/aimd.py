"""Additive increase, multiplicative decrease: up slowly while all goes well, down at a refusal."""

from headrace.flow.limit.base import check_bounds, check_share


class AimdLimit:
    """Learns from refusals alone, by the rules of TCP's congestion avoidance.

    Until the first refusal each success adds one, which doubles the limit in a round of calls (slow
    start, Jacobson 1988, RFC 5681); from then on it adds `1 / limit`: one in a round. A drop
    takes it to `min(limit - 1, floor(limit * backoff))` (`AIMDLimit` of Netflix's
    concurrency-limits), once for all calls that were under way together: those that began before
    the last decrease say nothing about what it led to (NewReno's `recover`, RFC 6582). Growth stops
    while less than half of the limit is in use: what was not tried was not shown to be good.

    Args:
        initial: the limit to begin with.
        limit_min: never below.
        limit_max: never above.
        backoff: what a drop leaves of the limit, above 0 and below 1.

    Raises:
        ValueError: a number makes no sense.
    """

    __slots__ = ("_backoff", "_decreased_s", "_estimate", "_is_slow_start", "_max", "_min", "limit")

    def __init__(
        self,
        *,
        initial: int = 10,
        limit_min: int = 1,
        limit_max: int = 1000,
        backoff: float = 0.9,
    ) -> None:
        check_bounds(initial, limit_min, limit_max)
        check_share("backoff", backoff)
        self.limit = initial
        self._estimate = float(initial)
        self._min = limit_min
        self._max = limit_max
        self._backoff = backoff
        self._is_slow_start = True
        self._decreased_s = float("-inf")

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        """See `headrace.flow.limit.base.Limit`."""
        if is_drop:
            self._drop(now_s - rtt_s, now_s)
        elif inflight * 2 >= self.limit < self._max:
            self._estimate += 1.0 if self._is_slow_start else 1.0 / self._estimate
            self.limit = int(self._estimate)

    def _drop(self, began_s: float, now_s: float) -> None:
        self._is_slow_start = False
        # A clock that went back must not keep the limit up until it has caught up.
        if began_s < self._decreased_s <= now_s:
            return
        self._decreased_s = now_s
        self.limit = max(self._min, min(self.limit - 1, int(self.limit * self._backoff)))
        self._estimate = float(self.limit)
