"""The provider's rate limits: token buckets over calls and tokens per minute."""

import msgspec

from headrace.clock import Clock

# As many calls as nobody makes.
_UNLIMITED = 1_000_000_000


class Quota(msgspec.Struct, frozen=True):
    """What a provider tells about its limit beside each answer.

    Attributes:
        limit: calls, or tokens, per minute.
        remaining: whole ones left in the bucket.
        reset_s: seconds until the bucket is full again.
        retry_after_s: seconds until a call is let in; 0 where this one was.
        tokens: the same of tokens, where they are limited too.
    """

    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0
    tokens: "Quota | None" = None


class RateBucket:
    """Lets so many calls, or tokens, a minute in; as many may come at once after a quiet minute.

    Args:
        limit_rpm: how many per minute, 1 or more.
        clock: where time comes from.
    """

    __slots__ = ("_calls_left", "_clock", "_filled_at_s", "_limit_rpm", "_per_s")

    def __init__(self, limit_rpm: int, clock: Clock) -> None:
        self._limit_rpm = limit_rpm
        self._per_s = limit_rpm / 60.0
        self._clock = clock
        self._calls_left = float(limit_rpm)
        self._filled_at_s = clock.monotonic_s()

    def take(self, amount: float = 1.0) -> Quota:
        """Take so much from the bucket, or learn in `retry_after_s` when to come back.

        Of more than there ever is, all there is at most will do.
        """
        now_s = self._clock.monotonic_s()
        refilled = self._calls_left + (now_s - self._filled_at_s) * self._per_s
        # A hair of slack, so that coming back after exactly `retry_after_s` is let in.
        calls_left = min(float(self._limit_rpm), refilled) + 1e-9
        self._filled_at_s = now_s
        retry_after_s = 0.0
        needed = min(amount, float(self._limit_rpm))
        if calls_left >= needed:
            calls_left -= amount
        else:
            retry_after_s = (needed - calls_left) / self._per_s
        self._calls_left = calls_left
        return Quota(
            limit=self._limit_rpm,
            remaining=max(0, int(calls_left)),
            reset_s=max(0.0, self._limit_rpm - calls_left) / self._per_s,
            retry_after_s=retry_after_s,
        )


class RateBuckets:
    """Limits calls and tokens per minute together.

    Args:
        limit_rpm: calls per minute; `None` for no limit.
        limit_tpm: tokens per minute; `None` for no limit.
        clock: where time comes from.
    """

    __slots__ = ("_calls", "_tokens")

    def __init__(self, limit_rpm: int | None, limit_tpm: int | None, clock: Clock) -> None:
        self._calls = RateBucket(limit_rpm or _UNLIMITED, clock)
        self._tokens = None if limit_tpm is None else RateBucket(limit_tpm, clock)

    def take(self, tokens: int) -> Quota:
        """Take a call from the buckets, or learn in `retry_after_s` when to come back.

        Args:
            tokens: what it may use at most.
        """
        taken = None if self._tokens is None else self._tokens.take(tokens)
        if taken is not None and taken.retry_after_s:
            told = self._calls.take(0.0)
            return msgspec.structs.replace(
                told, retry_after_s=max(told.retry_after_s, taken.retry_after_s), tokens=taken
            )
        told = self._calls.take()
        if taken is None or self._tokens is None:
            return told
        if told.retry_after_s:
            taken = self._tokens.take(-float(tokens))  # refused for the calls: they come back
        return msgspec.structs.replace(told, tokens=taken)
