"""The provider's rate limit: a token bucket over calls per minute."""

import msgspec

from headrace.clock import Clock


class Quota(msgspec.Struct, frozen=True):
    """What a provider tells about its limit beside each answer.

    Attributes:
        limit: calls per minute.
        remaining: whole calls left in the bucket.
        reset_s: seconds until the bucket is full again.
        retry_after_s: seconds until a call is let in; 0 where this one was.
    """

    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0


class RateBucket:
    """Lets `limit_rpm` calls a minute in; as many may come at once after a quiet minute.

    Args:
        limit_rpm: calls per minute, 1 or more.
        clock: where time comes from.
    """

    __slots__ = ("_calls_left", "_clock", "_filled_at_s", "_limit_rpm", "_per_s")

    def __init__(self, limit_rpm: int, clock: Clock) -> None:
        self._limit_rpm = limit_rpm
        self._per_s = limit_rpm / 60.0
        self._clock = clock
        self._calls_left = float(limit_rpm)
        self._filled_at_s = clock.monotonic_s()

    def take(self) -> Quota:
        """Take one call from the bucket, or learn in `retry_after_s` when to come back."""
        now_s = self._clock.monotonic_s()
        refilled = self._calls_left + (now_s - self._filled_at_s) * self._per_s
        # A hair of slack, so that coming back after exactly `retry_after_s` is let in.
        calls_left = min(float(self._limit_rpm), refilled) + 1e-9
        self._filled_at_s = now_s
        retry_after_s = 0.0
        if calls_left >= 1.0:
            calls_left -= 1.0
        else:
            retry_after_s = (1.0 - calls_left) / self._per_s
        self._calls_left = calls_left
        return Quota(
            limit=self._limit_rpm,
            remaining=int(calls_left),
            reset_s=max(0.0, self._limit_rpm - calls_left) / self._per_s,
            retry_after_s=retry_after_s,
        )
