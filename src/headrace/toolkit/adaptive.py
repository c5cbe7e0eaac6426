"""`AdaptiveCache`: a memory cache that finds out what to keep, how long, and when to ask again."""

import secrets
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import cached_property, partial
from operator import eq
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

import msgspec

from headrace.cache.adaptive import AdaptiveTtl
from headrace.cache.freshness import EarlyRefresh
from headrace.cache.policy import SelectingPolicy
from headrace.clock import Clock, SystemClock
from headrace.toolkit.arguments import OVERHEAD_BYTES, bound, entries_max, seconds
from headrace.toolkit.cache import BYTES_MAX, TTL_S, Cache
from headrace.toolkit.containment import Containment
from headrace.toolkit.flights import Flights, Keep
from headrace.toolkit.missing import MISSING, Missing
from headrace.toolkit.refresh import PAUSE_SHARE, Refresher
from headrace.toolkit.stats import AdaptiveStats, Reason
from headrace.toolkit.warming import AT_ONCE, Warmed, Warming
from headrace.toolkit.weight import weight_of

if TYPE_CHECKING:
    from headrace.toolkit.admission import Admission
    from headrace.toolkit.async_flights import AsyncFlights

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Default = TypeVar("Default")


# A refresh that failed is tried again no sooner.
PAUSE_S_MIN: Final = 1.0
# What is noted of a value, beside what the cache beneath notes.
AGED_BYTES: Final = 200


class Aged(msgspec.Struct, Generic[Value], eq=False):
    """A value and its times, on the cache's clock.

    Attributes:
        value: the value.
        stored_s: when it was computed.
        fresh_until_s: end of its life.
        careful_s: from when on its uses are counted, and it may be computed anew ahead of its end.
        took_s: how long it took to compute.
        cost: what computing it again costs.
        weight: bytes it is taken to weigh.
        late_uses: uses since `careful_s`; threads may miss one.
    """

    value: Value
    stored_s: float
    fresh_until_s: float
    careful_s: float
    took_s: float
    cost: float
    weight: int
    late_uses: int = 0


class AdaptiveCache(Generic[Key, Value]):
    """Values in memory, kept by what they save, for as long as they stay true.

    Of LRU, S3-FIFO and GDSF the policy decides that saves most on the keys that are asked for. A
    value past its time is given at once, and computed anew meanwhile; one in demand, a little
    ahead of its time. Each time, the new one is held against the old: where values of a category
    hardly ever change, they live longer; where they do, shorter. Thread-safe, and for any number
    of event loops.

    Args:
        max_size: bound on the number of values; `None` for none.
        max_bytes: bound on what they weigh, in bytes, estimated; `None` for none.
        ttl: seconds that a value lives of which nothing is known yet.
        ttl_min: the shortest life that is learned, in seconds.
        ttl_max: the longest.
        stale: seconds beyond its life that a value is given while it is computed anew.
        stale_if_error: seconds beyond its life that a value is given where computing a new one
            fails.
        early: whether values in demand are computed anew ahead of their end, by chance (XFetch),
            so that nobody is given a stale one.
        admission: whether values have to be expected to save more for their room than what would
            leave for them, as is learned from how keys are used. Needs numpy.
        stale_share: share of look-ups that may give what has changed since.
        check_share: share of hits that are computed again only to see whether they changed: 0 is
            none, and then only what is computed anyway teaches.
        category: what kind of value a key stands for; kinds learn for themselves. Without, all
            are of one kind.
        same: whether two values say the same; without, whether they are equal.
        clock: where time comes from.

    Raises:
        HeadraceError: what admission needs is not installed.
        TypeError: an argument is of another type.
        ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        *,
        max_size: int | None = None,
        max_bytes: int | None = BYTES_MAX,
        ttl: float = TTL_S,
        ttl_min: float = 60.0,
        ttl_max: float = 86_400.0,
        stale: float = 600.0,
        stale_if_error: float = 0.0,
        early: bool = True,
        admission: bool = False,
        stale_share: float = 0.05,
        check_share: float = 0.0,
        category: Callable[[Key], str] | None = None,
        same: Callable[[Value, Value], bool] = eq,
        clock: Clock | None = None,
    ) -> None:
        entries = entries_max(max_size, max_bytes)
        self._policy: SelectingPolicy[Key] = SelectingPolicy(
            bytes_max=max_bytes or entries, entries_max=entries
        )
        clock = clock or SystemClock()
        self._cache: Cache[Key, Aged[Value]] = Cache(
            max_size=max_size,
            max_bytes=max_bytes,
            ttl=ttl,
            policy=self._policy,
            weigh=_weight_of_aged,
            listeners=[self._note_left] if admission else (),
            clock=clock,
        )
        uniform = secrets.SystemRandom().random
        self._ttl = AdaptiveTtl(
            uniform=uniform,
            ttl_s=ttl,
            ttl_min_s=ttl_min,
            ttl_max_s=ttl_max,
            stale_share_max=stale_share,
            shadow_share=check_share,
        )
        self._is_checked = check_share > 0
        self._early = EarlyRefresh(uniform=uniform) if early else None
        self._admission = _learner(clock, self._cache.now_s, uniform, ttl) if admission else None
        self._stale_s = seconds("stale", stale)
        self._kept_s = max(stale, seconds("stale_if_error", stale_if_error))
        self._category = category
        self._same = same
        self._lock = RLock()
        self._contained = Containment()
        self._bridged = Containment()
        self._flights: Flights[Key, Value] = Flights(self._cache.now_s, self._peek)
        self._refresher: Refresher[Key, Value] = Refresher(
            self._flights, max(PAUSE_S_MIN, stale * PAUSE_SHARE)
        )

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
        if self._admission is not None:
            self._admission.used(key)
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
        return self._hold(key, value, 0.0, cost)

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
        aged = self._look_up(key)
        if aged is MISSING:
            return self._flights.compute(key, compute, self._keeping(key, cost))
        now_s = self._cache.now_s()
        if now_s >= aged.fresh_until_s + self._stale_s:  # good for nothing but an error
            with self._bridged:
                return self._flights.compute(key, compute, self._keeping(key, cost))
        elif self._is_due(aged, now_s):
            anew = now_s < aged.fresh_until_s
            self._refresher.on_thread(key, compute, self._keeping(key, cost), anew=anew)
        return aged.value

    async def get_or_compute_async(
        self, key: Key, compute: Callable[[], Awaitable[Value]], *, cost: float | None = None
    ) -> Value:
        """As `get_or_compute`, for coroutines, on any number of event loops."""
        aged = self._look_up(key)
        if aged is MISSING:
            return await self._async_flights.compute(key, compute, self._keeping(key, cost))
        now_s = self._cache.now_s()
        if now_s >= aged.fresh_until_s + self._stale_s:
            with self._bridged:
                return await self._async_flights.compute(key, compute, self._keeping(key, cost))
        elif self._is_due(aged, now_s):
            anew, keep = now_s < aged.fresh_until_s, self._keeping(key, cost)
            self._refresher.in_task(key, compute, keep, self._async_flights, anew=anew)
        return aged.value

    def warm(
        self, keys: Iterable[Key], compute: Callable[[Key], Value], *, threads: int = AT_ONCE
    ) -> Warmed:
        """Compute what will be wanted, before it is; ends when there is no room left.

        Args:
            keys: the most wanted first. Read one by one: the lines of a file will do.
            compute: gives the value of a key. What it raises is counted, and goes no further.
            threads: how many compute at once.
        """
        warming = Warming(keys, self.__contains__, self._is_full)
        return warming.on_threads(
            lambda key: self.get_or_compute(key, partial(compute, key)),
            int(bound("threads", threads)),
        )

    async def warm_async(
        self,
        keys: Iterable[Key],
        compute: Callable[[Key], Awaitable[Value]],
        *,
        tasks: int = AT_ONCE,
    ) -> Warmed:
        """As `warm`, for coroutines."""
        warming = Warming(keys, self.__contains__, self._is_full)
        return await warming.in_tasks(
            lambda key: self.get_or_compute_async(key, partial(compute, key)),
            int(bound("tasks", tasks)),
        )

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
            bridged=self._bridged.errors,
            last_bridged_error=self._bridged.last,
            refused=0 if self._admission is None else self._admission.refused,
            foreseen_by="" if self._admission is None else self._admission.foreseen_by,
            caller_errors=self._contained.errors,
            last_caller_error=self._contained.last,
        )

    def _look_up(self, key: Key) -> Aged[Value] | Missing:
        """What is held for a key, whatever it is good for."""
        if self._admission is not None:
            self._admission.used(key)
        aged = self._cache.get(key, MISSING)
        return self._cache.peek_stale(key) if aged is MISSING else aged

    def _is_due(self, aged: Aged[Value], now_s: float) -> bool:
        """Whether this use has a value computed anew behind the caller's back."""
        if now_s >= aged.fresh_until_s:
            return True
        if now_s >= aged.careful_s and self._early is not None:
            aged.late_uses += 1
            if self._early.is_due(
                now_s, aged.careful_s, aged.fresh_until_s, aged.took_s, aged.late_uses
            ):
                return True
        if not self._is_checked:
            return False
        with self._lock:
            return self._ttl.wants_check()

    def _peek(self, key: Key) -> Value | Missing:
        aged = self._cache.peek(key)
        return MISSING if aged is MISSING else aged.value

    def _is_full(self) -> bool:
        return not self._cache.has_room()

    def _keeping(self, key: Key, cost: float | None) -> Keep[Value]:
        def keep(value: Value, took_s: float) -> bool:
            return self._hold(key, value, took_s, took_s if cost is None else cost)

        return keep

    def _hold(self, key: Key, value: Value, took_s: float, cost: float) -> bool:
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
        until_s = now_s + ttl_s
        careful_s = (
            until_s if self._early is None else self._early.careful_s(now_s, until_s, took_s)
        )
        weight = weight_of(value) + AGED_BYTES
        aged = Aged(value, now_s, until_s, careful_s, took_s, cost, weight)
        if self._admission is not None:
            size = aged.weight + OVERHEAD_BYTES
            is_free = before is not MISSING or self._cache.has_room(size)
            if not self._admission.admits(key, category, size, cost, ttl_s, is_free=is_free):
                return False
        return self._cache.set(key, aged, ttl_s, cost=cost, stale=self._kept_s)

    def _note_left(self, key: Key, aged: Aged[Value], reason: Reason) -> None:
        if reason == "capacity" and self._admission is not None:
            self._admission.left(
                key,
                self._category_of(key),
                aged.weight + OVERHEAD_BYTES,
                aged.cost,
                aged.stored_s,
                aged.fresh_until_s,
            )

    def _category_of(self, key: Key) -> str:
        if self._category is not None:
            with self._contained:
                return str(self._category(key))
        return ""

    @cached_property
    def _async_flights(self) -> "AsyncFlights[Key, Value]":
        from headrace.toolkit.async_flights import AsyncFlights

        return AsyncFlights(self._flights)


def _weight_of_aged(aged: Aged[Any]) -> int:
    return aged.weight


def _learner(
    clock: Clock, now_s: Callable[[], float], uniform: Callable[[], float], ttl_s: float
) -> "Admission[Any]":
    """What learns which values deserve room.

    Raises:
        HeadraceError: numpy is not installed.
    """
    from headrace.toolkit.admission import Admission

    return Admission(now_s=now_s, wall_s=clock.wall_s, uniform=uniform, ttl_s=ttl_s)
