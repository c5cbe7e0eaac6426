"""Windows: an algorithm sees the mean of many signals in place of each."""

from headrace.flow.limit.base import Limit


class WindowedLimit:
    """Hands means on to a limit (`WindowedLimit` of Netflix's concurrency-limits).

    A window ends with the first signal after `window_s`, if it holds `samples_min`; else it goes
    on. The limit sees its mean signal and the most calls that ran at once. Drops are handed on at
    once: whoever learns from them must not wait.

    Args:
        limit: learns from the means.
        window_s: seconds that a window lasts at least.
        samples_min: signals that it takes at least.

    Raises:
        ValueError: `window_s` is negative, or `samples_min` below 1.
    """

    __slots__ = (
        "_began_s",
        "_inflight",
        "_inner",
        "_samples",
        "_samples_min",
        "_sum_s",
        "_window_s",
        "limit",
    )

    def __init__(self, limit: Limit, *, window_s: float = 0.25, samples_min: int = 10) -> None:
        if not 0 <= window_s < float("inf") or samples_min < 1:
            raise ValueError(f"a window of {window_s} s and {samples_min} samples makes no sense")
        self.limit = limit.limit
        self._inner = limit
        self._window_s = window_s
        self._samples_min = samples_min
        self._began_s: float | None = None
        self._samples = 0
        self._sum_s = 0.0
        self._inflight = 0

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        """See `headrace.flow.limit.base.Limit`."""
        if is_drop or rtt_s <= 0:
            self._inner.update(rtt_s, inflight, is_drop=is_drop, now_s=now_s)
            self.limit = self._inner.limit
            return
        # A window that began in the future began on another clock.
        if self._began_s is None or now_s < self._began_s:
            self._began_s = now_s
        self._samples += 1
        self._sum_s += rtt_s
        self._inflight = max(self._inflight, inflight)
        if self._samples >= self._samples_min and now_s - self._began_s >= self._window_s:
            mean_s, inflight = self._sum_s / self._samples, self._inflight
            self._began_s, self._samples, self._sum_s, self._inflight = now_s, 0, 0.0, 0
            self._inner.update(mean_s, inflight, is_drop=False, now_s=now_s)
            self.limit = self._inner.limit
