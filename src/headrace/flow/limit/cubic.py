"""Growth by a cubic of the time since the last refusal: stays where it was good, then searches."""

from headrace.flow.limit.base import check_bounds, check_share

GROWTH_MAX = 1.5


class CubicLimit:
    """Learns from refusals alone; additive increase replaced by TCP CUBIC's curve (RFC 9438).

    `t` seconds after a decrease to `low` the limit aims at `good + pace * (t - k)**3` with
    `k = cbrt((good - low) / pace)`: it comes back to `good`, the last limit that was not refused,
    stays about there, and, where nothing is refused, goes on ever faster. Where capacity is what it
    was, a search costs one refusal; where it has grown, it is found in the time of a few searches,
    whatever the limit. Each success takes it a `1 / limit` of the way, and not beyond one and a
    half of the limit in a round of calls.

    Slow start, decrease, one decrease for all calls under way, and the guard against growth that is
    not used are those of `AimdLimit`; time in which the limit was not used does not count. Other
    than in the RFC, `good` is one less than what was refused, for a limit counts calls; the curve
    is not read one round ahead; and there is no part that grows as fast as Reno, for that is what
    costs refusals.

    Args:
        initial: the limit to begin with.
        limit_min: never below.
        limit_max: never above.
        backoff: what a drop leaves of the limit, above 0 and below 1.
        pace: `C` of the curve, calls per second cubed, above 0.

    Raises:
        ValueError: a number makes no sense.
    """

    __slots__ = (
        "_backoff",
        "_decreased_s",
        "_epoch_s",
        "_estimate",
        "_good",
        "_is_slow_start",
        "_k_s",
        "_max",
        "_min",
        "_pace",
        "_seen_s",
        "limit",
    )

    def __init__(
        self,
        *,
        initial: int = 10,
        limit_min: int = 1,
        limit_max: int = 1000,
        backoff: float = 0.9,
        pace: float = 0.4,
    ) -> None:
        check_bounds(initial, limit_min, limit_max)
        check_share("backoff", backoff)
        if not 0 < pace < float("inf"):
            raise ValueError(f"pace is {pace}: it has to be above 0")
        self.limit = initial
        self._estimate = float(initial)
        self._min = limit_min
        self._max = limit_max
        self._backoff = backoff
        self._pace = pace
        self._is_slow_start = True
        self._good = float(initial)
        self._k_s = 0.0
        self._decreased_s = float("-inf")
        self._epoch_s = 0.0
        self._seen_s = 0.0

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        """See `headrace.flow.limit.base.Limit`."""
        if is_drop:
            self._drop(now_s - rtt_s, now_s)
        elif inflight * 2 < self.limit:
            self._epoch_s += max(now_s - self._seen_s, 0.0)
        elif self.limit < self._max:
            self._grow(now_s)
        self._seen_s = now_s

    def _grow(self, now_s: float) -> None:
        estimate = self._estimate
        if self._is_slow_start:
            estimate += 1.0
        else:
            past_s = max(now_s - self._epoch_s, 0.0) - self._k_s
            aim = min(self._good + self._pace * past_s**3, estimate * GROWTH_MAX)
            if aim <= estimate:
                return
            estimate += (aim - estimate) / estimate
        self._estimate = estimate
        self.limit = min(int(estimate), self._max)

    def _drop(self, began_s: float, now_s: float) -> None:
        # A clock that went back must not keep the limit up until it has caught up.
        if began_s < self._decreased_s <= now_s:
            return
        self._is_slow_start = False
        self._decreased_s = self._epoch_s = now_s
        self._good = float(max(self._min, self.limit - 1))
        self.limit = max(self._min, min(self.limit - 1, int(self.limit * self._backoff)))
        self._estimate = float(self.limit)
        self._k_s = ((self._good - self._estimate) / self._pace) ** (1 / 3)
