"""Keeps a limit: hands out permits, takes them back, and lets the algorithm learn from them."""

from collections.abc import Callable
from math import inf
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.flow.limit.base import Limit

PERMIT_S_MAX: Final = 1800.0
RETRY_AFTER_S_MAX: Final = 300.0


def _nobody() -> None:
    """Hears that a permit may be had, where nobody waits for one."""


class LimiterStats(msgspec.Struct, frozen=True):
    """A limiter at one moment, and what it did so far.

    Attributes:
        limit: permits that may be out.
        inflight: calls that run.
        successes: permits that ended in success.
        ignored: permits that ended without a lesson.
        drops: calls that ended because there was no capacity.
        refused: times that there was no permit to be had.
        reclaimed: permits that were never given back.
        closed_s: seconds until `retry-after` is over; 0 where none holds.
    """

    limit: int
    inflight: int
    successes: int
    ignored: int
    drops: int
    refused: int
    reclaimed: int
    closed_s: float


class Limiter:
    """Lets so many calls run at once as a limit says. Belongs to one event loop.

    `retry-after` is a gate: until it is over there are no permits, whatever the limit is. It never
    holds for longer than `retry_after_s_max`, not even where the clock goes back. A permit older
    than `permit_s_max` is taken for lost, and reclaimed when permits are short.

    Args:
        limit: the algorithm.
        clock: where time comes from.
        permit_s_max: seconds after which a permit that is out counts as lost: longer than any call.
        retry_after_s_max: the longest `retry-after` that is believed.

    Attributes:
        limit: permits that may be out.
        inflight: permits that are out, and calls that were adopted.
        on_free: called, without arguments, whenever one may be had again after a return. When
            `due_s` passes nobody calls: who waits sets a timer, and calls `reclaim`.

    Raises:
        ValueError: a time is not above 0.
    """

    __slots__ = (
        "_clock_s",
        "_closed_until_s",
        "_drops",
        "_ignored",
        "_limit",
        "_open",
        "_permit_s_max",
        "_reclaimed",
        "_refused",
        "_retry_after_s_max",
        "_successes",
        "inflight",
        "limit",
        "on_free",
    )

    def __init__(
        self,
        limit: Limit,
        *,
        clock: Clock,
        permit_s_max: float = PERMIT_S_MAX,
        retry_after_s_max: float = RETRY_AFTER_S_MAX,
    ) -> None:
        if not permit_s_max > 0 or not retry_after_s_max > 0:
            raise ValueError("permit_s_max and retry_after_s_max have to be above 0")
        self.inflight = 0
        self.on_free: Callable[[], None] = _nobody
        self.limit = limit.limit
        self._limit = limit
        self._clock_s = clock.monotonic_s
        self._permit_s_max = permit_s_max
        self._retry_after_s_max = retry_after_s_max
        self._closed_until_s = -inf
        # In the order they were handed out: the first is the oldest.
        self._open: dict[Permit, None] = {}
        self._successes = 0
        self._ignored = 0
        self._drops = 0
        self._refused = 0
        self._reclaimed = 0

    @property
    def due_s(self) -> float:
        """When permits may be had though none comes back, on the clock; may be infinite.

        That is when the gate opens, or the oldest permit is taken for lost.
        """
        now_s = self._clock_s()
        if now_s < self._closed_until_s and self._is_closed(now_s):
            return self._closed_until_s
        oldest = next(iter(self._open), None)
        return inf if oldest is None else oldest.began_s + self._permit_s_max

    @property
    def closed_s(self) -> float:
        """Seconds until `retry-after` is over; 0 where none holds."""
        now_s = self._clock_s()
        return self._closed_until_s - now_s if self._is_closed(now_s) else 0.0

    def try_acquire(self) -> "Permit | None":
        """A permit, to be given back by exactly one of its methods; `None` if none is to be had."""
        now_s = self._clock_s()
        if now_s < self._closed_until_s and self._is_closed(now_s):
            self._refused += 1
            return None
        if self.inflight >= self.limit and not self._reclaim(now_s):
            self._refused += 1
            return None
        self.inflight = inflight = self.inflight + 1
        permit = Permit(self, now_s, inflight)
        self._open[permit] = None
        return permit

    def reclaim(self) -> int:
        """Take back what is lost, and say so to `on_free` if permits may be had. Says how many."""
        now_s = self._clock_s()
        reclaimed = self._reclaim(now_s)
        self._tell(now_s)
        return reclaimed

    def adopt(self, calls: int) -> None:
        """Count calls that run without a permit: they take room all the same.

        Args:
            calls: how many; of each `left` is to be called once.
        """
        self.inflight += calls

    def left(self) -> None:
        """A call that was adopted is over; it says nothing."""
        self.inflight -= 1
        self._tell(self._clock_s())

    def overloaded(self) -> None:
        """Learn that there is too much, from other than a call: the process's own state, say."""
        self._limit.update(0.0, self.inflight, is_drop=True, now_s=self._clock_s())
        self.limit = self._limit.limit

    def refused(self, began_s: float, retry_after_s: float | None) -> None:
        """Learn from a call that ran without a permit, and was refused for want of capacity.

        Args:
            began_s: when it began, on the clock.
            retry_after_s: see `Permit.drop`.
        """
        self._learn_drop(began_s, self.inflight, retry_after_s)

    def stats(self) -> LimiterStats:
        """How it stands, and what it did so far."""
        return LimiterStats(
            limit=self.limit,
            inflight=self.inflight,
            successes=self._successes,
            ignored=self._ignored,
            drops=self._drops,
            refused=self._refused,
            reclaimed=self._reclaimed,
            closed_s=self.closed_s,
        )

    # What permits say.

    def succeeded(self, permit: "Permit", signal_s: float | None) -> None:
        """A permit comes back after a success; see `Permit.success`."""
        if self._open.pop(permit, self) is self:
            return
        self._successes += 1
        self.inflight -= 1
        now_s = self._clock_s()
        rtt_s = signal_s if signal_s is not None and 0.0 < signal_s < inf else 0.0
        limit = self._limit
        limit.update(rtt_s, permit.inflight, is_drop=False, now_s=now_s)
        self.limit = limit.limit
        if self.inflight < self.limit and now_s >= self._closed_until_s:  # `_tell`, without a call
            self.on_free()

    def ignored(self, permit: "Permit") -> None:
        """A permit comes back and says nothing; see `Permit.ignore`."""
        if self._open.pop(permit, self) is self:
            return
        self._ignored += 1
        self.inflight -= 1
        self._tell(self._clock_s())

    def dropped(self, permit: "Permit", retry_after_s: float | None) -> None:
        """A permit comes back for want of capacity; see `Permit.drop`."""
        if self._open.pop(permit, self) is self:
            return
        self.inflight -= 1
        self._learn_drop(permit.began_s, permit.inflight, retry_after_s)
        self._tell(self._clock_s())

    # The inside.

    def _learn_drop(self, began_s: float, inflight: int, retry_after_s: float | None) -> None:
        self._drops += 1
        now_s = self._clock_s()
        out_s = max(now_s - began_s, 0.0)
        self._limit.update(out_s, inflight, is_drop=True, now_s=now_s)
        self.limit = self._limit.limit
        if retry_after_s is not None and retry_after_s > 0:
            until_s = now_s + min(retry_after_s, self._retry_after_s_max)
            self._closed_until_s = max(self._closed_until_s, until_s)

    def _is_closed(self, now_s: float) -> bool:
        # A gate that far away was set by a clock that has gone back since.
        if self._closed_until_s - now_s > self._retry_after_s_max:
            self._closed_until_s = -inf
        return now_s < self._closed_until_s

    def _reclaim(self, now_s: float) -> int:
        """How many permits were lost; they are taken back."""
        lost = 0
        while self._open:
            oldest = next(iter(self._open))
            if 0 <= now_s - oldest.began_s < self._permit_s_max:
                break
            if now_s < oldest.began_s:  # the clock went back: its age counts from now
                oldest.began_s = now_s
                break
            del self._open[oldest]
            self.inflight -= 1
            lost += 1
        self._reclaimed += lost
        return lost

    def _tell(self, now_s: float) -> None:
        if self.inflight < self.limit and now_s >= self._closed_until_s:
            self.on_free()


class Permit:
    """One call's leave to run. Only the first of its three ends counts.

    Attributes:
        began_s: when it was handed out, on the clock.
        inflight: permits that were out then, itself among them.
    """

    __slots__ = ("_limiter", "began_s", "inflight")

    def __init__(self, limiter: Limiter, began_s: float, inflight: int) -> None:
        self._limiter = limiter
        self.began_s = began_s
        self.inflight = inflight

    def success(self, signal_s: float | None = None) -> None:
        """The call went well.

        Args:
            signal_s: what the limit may learn from: seconds to the first token, say, but never the
                whole call's, for that is a matter of how much was asked for. Left out, or not a
                number above 0, it is not known.
        """
        self._limiter.succeeded(self, signal_s)

    def ignore(self) -> None:
        """The call says nothing about capacity: it failed on its own account, or was given up."""
        self._limiter.ignored(self)

    def drop(self, retry_after_s: float | None = None) -> None:
        """The call was refused for want of capacity, or timed out.

        Args:
            retry_after_s: how long the provider asks to be left alone; nonsense is passed over.
        """
        self._limiter.dropped(self, retry_after_s)
