"""Gradient2: lets the limit go with the ratio of what calls take for long to what they take now."""

from headrace.flow.limit.base import check_bounds, check_share

GRADIENT_MIN = 0.5
SAMPLES_WARMUP = 10
DRIFT_RATIO_MAX = 2.0
DRIFT_DECAY = 0.95


class LongMean:
    """An exponentially weighted mean that begins as a plain one.

    Args:
        window: its weight for a sample is `2 / (window + 1)`.
        warmup: samples until then are weighted alike.

    Attributes:
        value: the mean; 0 before the first sample.
    """

    __slots__ = ("_count", "_factor", "_sum", "_warmup", "value")

    def __init__(self, window: int, warmup: int) -> None:
        self.value = 0.0
        self._factor = 2.0 / (window + 1)
        self._warmup = warmup
        self._count = 0
        self._sum = 0.0

    def add(self, sample: float) -> float:
        """The mean, with the sample in it."""
        if self._count < self._warmup:
            self._count += 1
            self._sum += sample
            self.value = self._sum / self._count
        else:
            self.value += (sample - self.value) * self._factor
        return self.value


class Gradient2Limit:
    """Learns from the signal alone (`Gradient2Limit` of Netflix's concurrency-limits).

    `gradient = clamp(tolerance * long / now, 0.5, 1)`, `new = limit * gradient + queue`, and the
    limit becomes `limit * (1 - smoothing) + new * smoothing`, where `long` is the mean of the last
    several hundred signals and `now` the signal. Where `long` is more than twice `now`, load has
    gone, and `long` shrinks by a twentieth with each signal. It holds still while less than half of
    the limit is in use.

    Drops without a signal teach it nothing: put it beside a limit that learns from them
    (`headrace.flow.limit.lowest`). Its signals are noisy one by one: let it see means
    (`headrace.flow.limit.windowed`).

    Args:
        initial: the limit to begin with.
        limit_min: never below.
        limit_max: never above.
        tolerance: how many times the long mean a signal may be before it counts as queueing.
        queue: calls that may queue: what it grows by while the signal stays.
        smoothing: weight of the new limit, above 0 and up to 1.
        window: signals in the long mean.

    Raises:
        ValueError: a number makes no sense.
    """

    __slots__ = (
        "_estimate",
        "_long",
        "_max",
        "_min",
        "_queue",
        "_smoothing",
        "_tolerance",
        "limit",
    )

    def __init__(
        self,
        *,
        initial: int = 20,
        limit_min: int = 1,
        limit_max: int = 1000,
        tolerance: float = 1.5,
        queue: float = 4.0,
        smoothing: float = 0.2,
        window: int = 600,
    ) -> None:
        check_bounds(initial, limit_min, limit_max)
        if smoothing != 1:
            check_share("smoothing", smoothing)
        if not 1 <= tolerance < float("inf"):
            raise ValueError(f"tolerance is {tolerance}: it has to be 1 or more")
        if not 0 < queue < float("inf") or window < 1:
            raise ValueError(f"queue is {queue}, window {window}: both have to be above 0")
        self.limit = initial
        self._estimate = float(initial)
        self._min = float(limit_min)
        self._max = float(limit_max)
        self._tolerance = tolerance
        self._queue = queue
        self._smoothing = smoothing
        self._long = LongMean(window, SAMPLES_WARMUP)

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:  # noqa: ARG002 - it counts signals, not time
        """See `headrace.flow.limit.base.Limit`."""
        if is_drop or rtt_s <= 0:
            return
        long_s = self._long.add(rtt_s)
        if long_s > rtt_s * DRIFT_RATIO_MAX:
            self._long.value *= DRIFT_DECAY
        estimate = self._estimate
        if inflight * 2 < estimate:
            return
        gradient = max(GRADIENT_MIN, min(1.0, self._tolerance * long_s / rtt_s))
        aim = estimate * gradient + self._queue
        estimate += (aim - estimate) * self._smoothing
        self._estimate = max(self._min, min(self._max, estimate))
        self.limit = int(self._estimate)
