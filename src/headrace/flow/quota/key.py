"""The quota of one provider key: reserve an estimate, settle with the truth, believe the headers.

Providers run token buckets: so much a minute, refilled steadily (Anthropic, OpenAI and Azure say
so in their documentation of rate limits). A `KeyQuota` holds the same buckets, takes from them what
a call will probably use, gives back what it did not, and moves them when an answer's headers show
that the provider's stand elsewhere. `retry-after` shuts the key whatever the buckets hold.
"""

from math import inf
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from headrace.flow.quota.bucket import MINUTE_S, Bucket, Mark
from headrace.flow.quota.told import Kind, Reading, Told, is_minute, is_slower
from headrace.flow.steady import SteadyTime

HOLD_S_MAX: Final = 3_600.0
"""No header shuts a key for longer than this, whatever the settings say."""

REFUSED_S: Final = 1.0
"""After a refusal without `retry-after` a key rests this long."""

_REFUSALS: Final = 400
_TOO_MANY: Final = 429


class Need(NamedTuple):
    """What a call is going to use, or did use, in the order of `Kind`."""

    requests: float
    tokens: float
    input_tokens: float
    output_tokens: float

    @classmethod
    def of(cls, input_tokens: float, output_tokens: float) -> "Need":
        """One request with so many tokens.

        Raises:
            ValueError: a count is negative or not finite.
        """
        _check_counts(input_tokens, output_tokens)
        return cls(1.0, input_tokens + output_tokens, input_tokens, output_tokens)


def _check_counts(input_tokens: float, output_tokens: float) -> None:
    if not (0 <= input_tokens < inf and 0 <= output_tokens < inf):
        raise ValueError(f"{input_tokens} and {output_tokens} tokens: counts are 0 or more")


class QuotaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may use. What is None is unlimited until the provider's headers say otherwise.

    Attributes:
        requests_per_minute: calls.
        tokens_per_minute: input and output together, as OpenAI and Azure count.
        input_tokens_per_minute: as Anthropic and Google count.
        output_tokens_per_minute: as Anthropic counts.
        burst_s: how many seconds' worth may be used at once, and one call in any case; less than
            60 where the provider looks at shorter spans (Azure: 1 or 10).
        headroom: what part of the burst stays unused, up to a half: calls overtake each other on
            their way to the provider. It costs nothing in the long run, since the rate is the same.
        share: how much of the key this process may use, where several use it; above 0, up to 1.
        retry_after_s_max: a `retry-after` above this counts as this.
        is_refunding: the provider counts `tokens` as they were used in the end. Without, as they
            were asked for, with the most that the output may be, which is how OpenAI does it.
        is_learning: headers may set limits where there are none, and lower those there are.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None
    burst_s: float = MINUTE_S
    headroom: float = 0.05
    share: float = 1.0
    retry_after_s_max: float = 60.0
    is_refunding: bool = False
    is_learning: bool = True

    def __post_init__(self) -> None:
        for name, limit in zip(Kind.__members__, self.per_minute, strict=True):
            if limit is not None and not 0 < limit < inf:
                raise ValueError(f"{name.lower()} per minute: {limit} is not positive and finite")
        if not 0 < self.burst_s <= MINUTE_S:
            raise ValueError(f"burst_s is {self.burst_s}: it is above 0 and at most 60")
        if not 0 <= self.headroom <= 0.5:
            raise ValueError(f"headroom is {self.headroom}: it is at least 0 and at most a half")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}: it is above 0 and at most 1")
        if not 0 < self.retry_after_s_max <= HOLD_S_MAX:
            raise ValueError(f"retry_after_s_max is {self.retry_after_s_max}: above 0, up to 3600")

    @property
    def per_minute(self) -> tuple[float | None, ...]:
        """The limits in the order of `Kind`."""
        return (
            self.requests_per_minute,
            self.tokens_per_minute,
            self.input_tokens_per_minute,
            self.output_tokens_per_minute,
        )


class Left(msgspec.Struct, frozen=True):
    """How one limit of a key stands.

    Attributes:
        kind: what is counted.
        per_minute: this process's part of the limit.
        left: how much may be used at once; below zero after more was used than reserved.
    """

    kind: Kind
    per_minute: float
    left: float


class Reservation:
    """What one call holds of a key's quota, from before it is sent until its end is known.

    It ends by `settle`, `refuse` or `cancel`; only the first of them counts.
    """

    __slots__ = ("_marks", "_output_asked", "_quota")

    def __init__(self, quota: "KeyQuota", marks: list[Mark], output_asked: float) -> None:
        self._quota = quota
        # Nothing of it comes back where the provider counts what was asked for.
        self._output_asked = output_asked
        self._marks: list[Mark] | None = marks

    def settle(self, input_tokens: float, output_tokens: float) -> None:
        """Say what was really used; the request itself stays counted.

        Args:
            input_tokens: as the provider counted them.
            output_tokens: the same.

        Raises:
            ValueError: a count is negative or not finite.
        """
        _check_counts(input_tokens, output_tokens)
        counted = max(output_tokens, self._output_asked)
        self._end((1.0, input_tokens + counted, input_tokens, output_tokens))

    def refuse(self) -> None:
        """The provider refused the call: the request stays counted, its tokens come back."""
        self._end((1.0, 0.0, 0.0, 0.0))

    def cancel(self) -> None:
        """The call was never sent: all comes back."""
        self._end((0.0, 0.0, 0.0, 0.0))

    def mark(self, bucket: Bucket) -> Mark | None:
        """How a bucket stood when the call was sent; None where it was not there, or later."""
        return next((mark for mark in self._marks or () if mark.bucket is bucket), None)

    def _end(self, used: tuple[float, float, float, float]) -> None:
        marks = self._marks
        if marks is None:
            return
        self._marks = None
        self._quota.pending -= 1
        for mark in marks:
            bucket = mark.bucket
            bucket.settle(mark, used[bucket.index])


class KeyQuota:
    """One key of a provider. Belongs to one event loop; never waits.

    Where nothing limits a key, `is_limited` is false, and whoever is in a hurry need not reserve.

    Args:
        name: what to call it; never the key itself.
        limits: what is known of its quota.
        now_s: monotonic time, in seconds, as in every call; it may go back.
    """

    __slots__ = ("_buckets", "_limits", "_open_s", "_time", "is_limited", "name", "pending")

    def __init__(self, name: str, limits: QuotaLimits, now_s: float) -> None:
        self.name = name
        self.pending = 0
        self._limits = limits
        self._time = SteadyTime()
        self._open_s = -inf
        self._buckets: list[Bucket] = []
        now_s = self._time.at(now_s)
        for kind, per_minute in zip(Kind, limits.per_minute, strict=True):
            if per_minute is not None:
                self._start(kind, per_minute, per_minute, now_s)
        self.is_limited = bool(self._buckets)

    def wait_s(self, need: Need, now_s: float) -> float:
        """Seconds until there is room for a call if nobody else takes it; 0 if there is now.

        A call that needs more than the key holds at most has room when all of that is there.
        """
        now_s = self._time.at(now_s)
        wait_s = max(0.0, self._open_s - now_s)
        for bucket in self._buckets:
            wait_s = max(wait_s, bucket.wait_s(need[bucket.index], now_s))
        return wait_s

    def room(self, need: Need, now_s: float) -> float:
        """What share of the key would be left after a call, by its tightest limit; 1 if there is
        no limit, below 0 where there is no room now."""
        if not self._has_room(need, self._time.at(now_s)):
            return -1.0
        room = 1.0
        for bucket in self._buckets:
            share = (bucket.level - need[bucket.index]) / bucket.capacity
            if share < room:
                room = share
        return room if room > 0 else 0.0

    def reserve(self, need: Need, now_s: float) -> Reservation | None:
        """Take what a call will probably use; None where there is no room for it now."""
        now_s = self._time.at(now_s)
        if not self._has_room(need, now_s):
            return None
        marks = [bucket.take(need[bucket.index], now_s) for bucket in self._buckets]
        self.pending += 1
        if not marks:
            self.is_limited = False  # whatever shut the key is over
        asked = need.tokens - need.input_tokens
        return Reservation(self, marks, 0.0 if self._limits.is_refunding else asked)

    def holds(self, need: Need) -> bool:
        """Whether a call is within a minute of all workers' parts; one request always is."""
        return not any(
            need[bucket.index] * self._limits.share > max(1.0, bucket.per_s * MINUTE_S)
            for bucket in self._buckets
        )

    def capacity(self, kind: Kind) -> float:
        """How much of a limit may be used at once; infinite where there is none."""
        return next((each.capacity for each in self._buckets if each.index == kind), inf)

    def adopt(self, limits: QuotaLimits, now_s: float) -> None:
        """Go on by other limits; what was used, learnt and asked for by `retry-after` stays.

        Args:
            limits: instead of those before.
            now_s: the time.
        """
        now_s = self._time.at(now_s)
        before, self._limits = self._limits, limits
        for kind, was, per_minute in zip(Kind, before.per_minute, limits.per_minute, strict=True):
            bucket = next((each for each in self._buckets if each.index == kind), None)
            if bucket is None and per_minute is not None:
                self._start(kind, per_minute, per_minute, now_s)
            elif bucket is not None and per_minute is not None:
                bucket.refill(now_s)
                per_s = per_minute * limits.share / MINUTE_S
                bucket.resize(per_s, self._room_of(kind, per_s)[0])
            elif bucket is not None and was is not None:
                self._buckets.remove(bucket)
        self.is_limited = bool(self._buckets) or now_s < self._open_s

    def _has_room(self, need: Need, now_s: float) -> bool:
        if now_s < self._open_s:
            return False
        for bucket in self._buckets:  # noqa: SIM110 - a generator takes thrice as long
            if not bucket.has_room(need[bucket.index], now_s):
                return False
        return True

    def observe(
        self, told: Told, now_s: float, reservation: Reservation | None, status: int = 200
    ) -> None:
        """Take in what an answer's headers said; before its reservation is ended.

        Args:
            told: from `read_told`.
            now_s: when the headers came.
            reservation: of the call; None where nothing was reserved.
            status: of the answer. At 429 this key has used too much. `retry-after` of any other
                refusal shuts the key as well, but says nothing of what is left; that of a success
                says nothing at all.
        """
        now_s = self._time.at(now_s)
        if self._limits.is_learning:
            for reading in told.readings:
                self._learn(reading, now_s, reservation)
        if status < _REFUSALS:
            return
        wait_s = min(told.retry_after_s or 0.0, self._limits.retry_after_s_max)
        if status == _TOO_MANY:
            self._empty(told, now_s)
            for bucket in self._buckets:
                bucket.freeze(now_s, now_s + wait_s)
            wait_s = wait_s or REFUSED_S
        if wait_s > 0:
            self._open_s = max(self._open_s, now_s + wait_s)
            self.is_limited = True

    def closed_s(self, now_s: float) -> float:
        """Seconds until what shut the key is over; 0 where nothing does."""
        return max(0.0, self._open_s - self._time.at(now_s))

    def left(self, now_s: float) -> list[Left]:
        """How each limit stands, for whoever looks."""
        now_s = self._time.at(now_s)
        for bucket in self._buckets:
            bucket.refill(now_s)
        return [
            Left(Kind(bucket.index), bucket.per_s * MINUTE_S, bucket.level)
            for bucket in self._buckets
        ]

    def _start(self, kind: Kind, per_minute: float, left: float, now_s: float) -> None:
        per_s = per_minute * self._limits.share / MINUTE_S
        capacity, headroom = self._room_of(kind, per_s)
        level = left * self._limits.share - headroom
        if kind == Kind.REQUESTS and left >= per_minute:
            level = max(1.0, level)
        is_late = kind == Kind.OUTPUT_TOKENS  # counted as they are made, says Anthropic
        bucket = Bucket(int(kind), per_s, capacity, level, now_s, is_late=is_late)
        # In the order of `Kind`, so that it is told in the same order however it was learnt.
        self._buckets = sorted([*self._buckets, bucket], key=attrgetter("index"))

    def _room_of(self, kind: Kind, per_s: float) -> tuple[float, float]:
        burst = per_s * self._limits.burst_s
        headroom = burst * self._limits.headroom
        least = 1.0 if kind == Kind.REQUESTS else 0.0  # there is no part of a call
        return max(least, burst - headroom), headroom

    def _learn(self, reading: Reading, now_s: float, reservation: Reservation | None) -> None:
        kind = reading.kind
        bucket = next((each for each in self._buckets if each.index == kind), None)
        if bucket is None:
            if reading.limit is not None and not is_slower(reading):
                left = reading.limit if reading.left is None else reading.left
                self._start(kind, reading.limit, min(left, reading.limit), now_s)
                self.is_limited = True
            return
        self._resize(bucket, reading)
        mark = reservation.mark(bucket) if reservation is not None else None
        if mark is not None:
            self._correct(reading, mark, now_s)

    def _resize(self, bucket: Bucket, reading: Reading) -> None:
        configured = self._limits.per_minute[reading.kind]
        if reading.limit is None or is_slower(reading):
            return
        if configured is None or is_minute(reading):
            per_s = min(reading.limit, configured or inf) * self._limits.share / MINUTE_S
            if per_s != bucket.per_s:
                bucket.resize(per_s, self._room_of(reading.kind, per_s)[0])

    def _correct(self, reading: Reading, mark: Mark, now_s: float) -> None:
        if reading.left is None:
            return
        share = self._limits.share
        told_per_s = (reading.limit or 0.0) * share / MINUTE_S
        # What others took of the key, or a bucket that is not ours, may lower the level only.
        is_same = share == 1.0 and told_per_s <= mark.bucket.per_s * 1.01
        grain = reading.grain if is_same and not is_slower(reading) else inf
        _, headroom = self._room_of(reading.kind, mark.bucket.per_s)
        mark.bucket.correct(reading.left * share - headroom, grain, mark, now_s)

    def _empty(self, told: Told, now_s: float) -> None:
        known = [reading.kind for reading in told.readings if reading.left is not None]
        for bucket in self._buckets:
            if bucket.index not in known:
                bucket.empty(now_s)
