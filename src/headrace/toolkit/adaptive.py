"""`AdaptiveCache`: a memory cache that finds out what to keep, how long, and when to ask again."""

import secrets
from collections.abc import Awaitable, Callable, Hashable
from functools import cached_property
from operator import eq
from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from headrace.cache.adaptive import AdaptiveTtl
from headrace.cache.policy import SelectingPolicy
from headrace.clock import Clock
from headrace.toolkit.arguments import entries_max, seconds
from headrace.toolkit.cache import BYTES_MAX, TTL_S, Cache
from headrace.toolkit.containment import Containment
from headrace.toolkit.flights import Flights, Keep
from headrace.toolkit.missing import MISSING, Missing
from headrace.toolkit.refresh import PAUSE_SHARE, Refresher
from headrace.toolkit.stats import AdaptiveStats
from headrace.toolkit.weight import weight_of

if TYPE_CHECKING:
    from headrace.toolkit.async_flights import AsyncFlights

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Default = TypeVar("Default")


class Aged(msgspec.Struct, Generic[Value], frozen=True):
    """A value and when it was computed, on the cache's clock."""

    value: Value
    stored_s: float


class AdaptiveCache(Generic[Key, Value]):
    """Values in memory, kept by what they save, for as long as they stay true.

    Of LRU, S3-FIFO and GDSF the policy decides that saves most on the keys that are asked for. A
    value past its time is given at once, and computed anew meanwhile. Each time, the new one is
    held against the old: where values of a category hardly ever change, they live longer; where
    they do, shorter. Thread-safe, and for any number of event loops.

    Args:
        max_size: bound on the number of values; `None` for none.
        max_bytes: bound on what they weigh, in bytes, estimated.
        ttl: seconds that a value lives of which nothing is known yet.
        ttl_min: the shortest life that is learned, in seconds.
        ttl_max: the longest.
        stale: seconds beyond its life that a value is given while it is computed anew.
        stale_share: share of look-ups that may give what has changed since.
        check_share: share of hits that are computed again only to see whether they changed: 0 is
            none, and then only what is computed anyway teaches.
        category: what kind of value a key stands for; kinds learn for themselves. Without, all
            are of one kind.
        same: whether two values say the same; without, whether they are equal.
        clock: where time comes from.

    Raises:
        ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        *,
        max_size: int | None = None,
        max_bytes: int = BYTES_MAX,
        ttl: float = TTL_S,
        ttl_min: float = 60.0,
        ttl_max: float = 86_400.0,
        stale: float = 600.0,
        stale_share: float = 0.05,
        check_share: float = 0.0,
        category: Callable[[Key], str] | None = None,
        same: Callable[[Value, Value], bool] = eq,
        clock: Clock | None = None,
    ) -> None:
        self._policy: SelectingPolicy[Key] = SelectingPolicy(
            bytes_max=max_bytes, entries_max=entries_max(max_size, max_bytes)
        )
        self._cache: Cache[Key, Aged[Value]] = Cache(
            max_size=max_size,
            max_bytes=max_bytes,
            ttl=ttl,
            policy=self._policy,
            weigh=_weight_of_aged,
            clock=clock,
        )
        self._ttl = AdaptiveTtl(
            uniform=secrets.SystemRandom().random,
            ttl_s=ttl,
            ttl_min_s=ttl_min,
            ttl_max_s=ttl_max,
            stale_share_max=stale_share,
            shadow_share=check_share,
        )
        self._is_checked = check_share > 0
        self._stale_s = seconds("stale", stale)
        self._category = category
        self._same = same
        self._lock = RLock()
        self._contained = Containment()
        self._flights: Flights[Key, Value] = Flights(self._cache.now_s, self._peek)
        self._refresher: Refresher[Key, Value] = Refresher(self._flights, stale * PAUSE_SHARE)

    def __len__(self) -> int:
        """Values held, the stale ones among them."""
        return len(self._cache)

    def __contains__(self, key: object) -> bool:
        """Whether `get` would find it. Does not count as a use."""
        return key in self._cache

    @overload
    def get(self, key: Key) -> Value | None: ...
    @overload
    def get(self, key: Key, default: Default) -> Value | Default: ...
    def get(self, key: Key, default: object = None) -> object:
        """The value of `key`, or `default` where there is none that is alive."""
        aged = self._cache.get(key, MISSING)
        return default if aged is MISSING else aged.value

    def set(self, key: Key, value: Value, *, cost: float = 0.0) -> bool:
        """Hold `value` in place of whatever `key` held, which it is held against.

        Args:
            key: anything hashable.
            value: anything.
            cost: what computing it again would cost, in whatever unit this cache uses.

        Returns:
            Whether it is held.
        """
        self._flights.forget(key)
        return self._hold(key, value, cost)

    def get_or_compute(
        self, key: Key, compute: Callable[[], Value], *, cost: float | None = None
    ) -> Value:
        """The value of `key`, and where there is none, what `compute` gives.

        Threads that want the same at once share one computation. One past its time is given at
        once, and computed anew on a thread of its own.

        Args:
            key: anything hashable.
            compute: gives the value. An error goes to all who wait, and is not held.
            cost: what computing it costs; `None` for the seconds that it took.
        """
        value, is_due, anew = self._look_up(key)
        if value is MISSING:
            return self._flights.compute(key, compute, self._keeping(key, cost))
        if is_due:
            self._refresher.on_thread(key, compute, self._keeping(key, cost), anew=anew)
        return value

    async def get_or_compute_async(
        self, key: Key, compute: Callable[[], Awaitable[Value]], *, cost: float | None = None
    ) -> Value:
        """As `get_or_compute`, for coroutines, on any number of event loops."""
        value, is_due, anew = self._look_up(key)
        keep = self._keeping(key, cost)
        if value is MISSING:
            return await self._async_flights.compute(key, compute, keep)
        if is_due:
            self._refresher.in_task(key, compute, keep, self._async_flights, anew=anew)
        return value

    def delete(self, key: Key) -> bool:
        """Drop what `key` holds, and what is being computed for it; says whether it was alive."""
        self._flights.forget(key)
        return self._cache.delete(key)

    def clear(self) -> int:
        """Drop everything but what was learned; returns how many values there were."""
        self._flights.forget_all()
        return self._cache.clear()

    def stats(self) -> AdaptiveStats:
        """What it did, and what it has found out."""
        with self._lock:
            lifetimes = self._ttl.report()
        return AdaptiveStats(
            cache=self._cache.stats(),
            policy=self._policy.state.policy,
            lifetimes=lifetimes,
            refreshed=self._refresher.done,
            refresh_errors=self._refresher.errors,
            last_refresh_error=self._refresher.last_error,
            caller_errors=self._contained.errors,
            last_caller_error=self._contained.last,
        )

    def _look_up(self, key: Key) -> tuple[Value | Missing, bool, bool]:
        """A value, whether to compute it in the background, and if so although it is alive."""
        aged = self._cache.get(key, MISSING)
        if aged is not MISSING:
            is_checked = self._is_checked and self._wants_check()
            return aged.value, is_checked, is_checked
        aged = self._cache.peek_stale(key)
        return (MISSING, True, False) if aged is MISSING else (aged.value, True, False)

    def _wants_check(self) -> bool:
        with self._lock:
            return self._ttl.wants_check()

    def _peek(self, key: Key) -> Value | Missing:
        aged = self._cache.peek(key)
        return MISSING if aged is MISSING else aged.value

    def _keeping(self, key: Key, cost: float | None) -> Keep[Value]:
        def keep(value: Value, took_s: float) -> bool:
            return self._hold(key, value, took_s if cost is None else cost)

        return keep

    def _hold(self, key: Key, value: Value, cost: float) -> bool:
        now_s = self._cache.now_s()
        category = self._category_of(key)
        before = self._cache.peek_stale(key)
        if before is not MISSING:
            with self._contained:
                changed = not self._same(before.value, value)
                with self._lock:
                    self._ttl.observe(category, now_s - before.stored_s, changed=changed)
        with self._lock:
            ttl_s = self._ttl.ttl_s(category)
        return self._cache.set(key, Aged(value, now_s), ttl_s, cost=cost, stale=self._stale_s)

    def _category_of(self, key: Key) -> str:
        if self._category is not None:
            with self._contained:
                return self._category(key)
        return ""

    @cached_property
    def _async_flights(self) -> "AsyncFlights[Key, Value]":
        from headrace.toolkit.async_flights import AsyncFlights

        return AsyncFlights(self._flights)


def _weight_of_aged(aged: Aged[Any]) -> int:
    return weight_of(aged.value)
