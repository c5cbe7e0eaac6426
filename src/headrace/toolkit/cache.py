"""The memory cache: bounded in bytes, entries and time, for any number of threads and loops.

A hit takes no lock. It finds its entry in a dictionary and appends its key to a queue; whoever
stores next tells the policy of the uses in the queue, under the lock (the read buffer of Caffeine,
Manes 2015). Each of these is one step of the interpreter, so threads can do no harm. What changes
the cache takes the lock. Listeners are called when it has been given back.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import cached_property
from math import inf
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

import msgspec

from headrace.cache.expiry import Expiry, bucket_width_s
from headrace.cache.policy import Policy, PolicyName
from headrace.clock import Clock, SystemClock
from headrace.toolkit.arguments import bound, policy_of, seconds, weigher
from headrace.toolkit.flights import Flights, Keep
from headrace.toolkit.missing import MISSING, Missing
from headrace.toolkit.stats import CacheStats, Reason
from headrace.toolkit.telling import Listener, Telling

if TYPE_CHECKING:
    from headrace.toolkit.async_flights import AsyncFlights

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Default = TypeVar("Default")

TTL_S: Final = 3600.0
BYTES_MAX: Final = 500_000_000
# Weights of old and new value that differ by no more than this factor are alike.
ALIKE: Final = 2
# Uses that wait to be told to the policy.
USES_MAX: Final = 1024
# Entries that leave in one step because their time is up.
EXPIRED_PER_STEP: Final = 4


class Entry(msgspec.Struct, Generic[Value], frozen=True):
    """What is held for a key.

    Attributes:
        value: the value.
        fresh_until_s: until when it is given, on the cache's clock.
        expires_s: when it leaves: later, where it may still be given while it is computed anew.
        bucket: the bucket of time that its key is in.
        weight: bytes it is taken to weigh, key and overhead included.
    """

    value: Value
    fresh_until_s: float
    expires_s: float
    bucket: dict[Any, None]
    weight: int


class Cache(Generic[Key, Value]):
    """Values in memory, for a time. Thread-safe; one object serves threads and event loops alike.

    Args:
        max_size: bound on the number of entries; `None` for none.
        max_bytes: bound on what they weigh, in bytes, estimated; `None` for none, and then
            nothing is weighed. One of the two bounds has to be there.
        ttl: seconds that a value is given for; `math.inf` for ever.
        policy: which entry leaves when there is no room: `lru`, `s3fifo`, `gdsf` (what is cheap to
            compute for its size), `auto` (whichever of these saves most), or a `Policy` of your
            own that nobody else uses.
        listeners: called with key, value and reason (`capacity`, `expired`, `removed`,
            `replaced`) after an entry has left, on the thread that made it leave. What they
            raise is counted and goes no further. They may use the cache.
        weigh: bytes of a value; `None` estimates them, looking at some 500 of its parts at most.
        clock: where time comes from.

    Attributes:
        now_s: the time on its clock, in seconds.
        max_size: its bound on the number of entries.

    Raises:
        TypeError: an argument is of another type.
        ValueError: a bound or the time to live makes no sense.
    """

    def __init__(
        self,
        *,
        max_size: int | None = None,
        max_bytes: int | None = BYTES_MAX,
        ttl: float = TTL_S,
        policy: PolicyName | Policy[Key] = "lru",
        listeners: Iterable[Listener] = (),
        weigh: Callable[[Value], int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.max_size = max_size
        self._size_max = bound("max_size", max_size)
        self._bytes_max = bound("max_bytes", max_bytes)
        if max_size is None and max_bytes is None:
            raise ValueError("a cache needs a bound: max_size, max_bytes or both")
        self._ttl_s = seconds("ttl", ttl)
        self._width_s = bucket_width_s(ttl)
        self._weigh = weigher(max_bytes, weigh)
        self._policy: Policy[Key] = policy_of(policy, max_size, max_bytes)
        self.now_s = (clock or SystemClock()).monotonic_s
        self._lock = RLock()
        self._entries: dict[Key, Entry[Value]] = {}
        self._expiry: Expiry[Key] = Expiry()
        # Stays empty: what never expires needs no place among what does.
        self._no_bucket: dict[Key, None] = {}
        self._uses: deque[Key] = deque()
        self._telling = Telling(listeners)
        self._left, self._is_heard = self._telling.left, self._telling.is_heard
        self._flights: Flights[Key, Value] = Flights(self.now_s, self.peek)
        self._bytes = self._hits = self._misses = self._evictions = self._expirations = 0

    def __len__(self) -> int:
        """Entries held; those whose time is up leave with the next uses of the cache."""
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        """Whether `get` would find it. Does not count as a use."""
        return self.peek(key) is not MISSING  # type: ignore[arg-type]

    @overload
    def get(self, key: Key) -> Value | None: ...
    @overload
    def get(self, key: Key, default: Default) -> Value | Default: ...
    def get(self, key: Key, default: object = None) -> object:
        """The value of `key`, or `default` where there is none, or its time is up."""
        try:
            entry = self._entries[key]
        except KeyError:
            return self._missed(default)
        if self.now_s() >= entry.fresh_until_s:
            return self._missed(default)
        uses = self._uses
        uses.append(key)
        if len(uses) > USES_MAX:
            self._note_uses()
        return entry.value

    def peek(self, key: Key) -> Value | Missing:
        """The value of `key`, or `MISSING`; counts neither as a use nor as a look-up."""
        entry = self._entries.get(key)
        if entry is None or self.now_s() >= entry.fresh_until_s:
            return MISSING
        return entry.value

    def peek_stale(self, key: Key) -> Value | Missing:
        """The value of `key`, fresh or kept beyond its time to live; counts for nothing."""
        entry = self._entries.get(key)
        if entry is None or self.now_s() >= entry.expires_s:
            return MISSING
        return entry.value

    def set(
        self,
        key: Key,
        value: Value,
        ttl: float | None = None,
        *,
        cost: float = 0.0,
        stale: float = 0.0,
    ) -> bool:
        """Hold `value` in place of whatever `key` held.

        Args:
            key: anything hashable; not changed while it is held.
            value: anything.
            ttl: seconds that it is given for; `None` for the cache's own, `math.inf` for ever.
                With 0 nothing is held.
            cost: what computing it again would cost, in whatever unit this cache uses (seconds,
                dollars); policies that weigh costs keep what is dear.
            stale: seconds that it is held beyond, for `peek_stale`.

        Returns:
            Whether it is held: not if it weighs more than the cache may, or the policy thinks
            that others are worth more.

        Raises:
            ValueError: the times make no sense.
        """
        if self._flights.flying:
            self._flights.forget(key)
        return self._hold(key, value, ttl, cost, stale)

    def delete(self, key: Key) -> bool:
        """Drop what `key` holds, and what is being computed for it; says whether it was fresh."""
        self._flights.forget(key)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return False
            self._note_uses()
            self._policy.remove(key)
            self._drop(key, "removed")
            was_fresh = self.now_s() < entry.fresh_until_s
        self._telling.tell()
        return was_fresh

    def clear(self) -> int:
        """Drop everything; returns how many entries there were."""
        return self.delete_where(lambda _: True)

    def count(self, belongs: Callable[[Key], bool]) -> int:
        """How many of the keys `belongs` says yes to."""
        with self._lock:
            return sum(map(belongs, self._entries))

    def delete_where(self, belongs: Callable[[Key], bool]) -> int:
        """Drop the entries of all keys that `belongs` says yes to; returns how many.

        What is under way for any key is not kept when it ends.
        """
        self._flights.forget_all()
        with self._lock:
            self._note_uses()
            gone = [key for key in self._entries if belongs(key)]
            for key in gone:
                self._policy.remove(key)
                self._drop(key, "removed")
        self._telling.tell()
        return len(gone)

    def get_or_compute(
        self,
        key: Key,
        compute: Callable[[], Value],
        *,
        ttl: float | None = None,
        cost: float | None = None,
    ) -> Value:
        """The value of `key`; where there is none, what `compute` gives, which is then held.

        Several threads that want the same at once share one computation. An error is raised to
        all of them, and not held.

        Args:
            key: anything hashable.
            compute: gives the value.
            ttl: as for `set`.
            cost: as for `set`; `None` for the seconds that computing took.
        """
        value = self.get(key, MISSING)
        if value is not MISSING:
            return value
        return self._flights.compute(key, compute, self._keeping(key, ttl, cost))

    async def get_or_compute_async(
        self,
        key: Key,
        compute: Callable[[], Awaitable[Value]],
        *,
        ttl: float | None = None,
        cost: float | None = None,
    ) -> Value:
        """As `get_or_compute`, for coroutines, on any number of event loops.

        The computation has a task of its own: it ends early only when all callers are cancelled.
        """
        value = self.get(key, MISSING)
        if value is not MISSING:
            return value
        keep = self._keeping(key, ttl, cost)
        return await self._async_flights.compute(key, compute, keep)

    def has_room(self, weight: int | None = None) -> bool:
        """Whether one entry more fits without another one leaving.

        Args:
            weight: what it weighs, in bytes; `None` for the mean of what is held.
        """
        if weight is None:
            weight = self._bytes // max(1, len(self._entries))
        return self._bytes + weight <= self._bytes_max and len(self._entries) < self._size_max

    def stats(self) -> CacheStats:
        """What it did since it was made, and what it holds."""
        self._note_uses()
        with self._lock:
            return CacheStats(
                hits=self._hits,
                misses=self._misses,
                joined=self._flights.joined,
                evictions=self._evictions,
                expirations=self._expirations,
                entries=len(self._entries),
                bytes_held=self._bytes,
                listener_errors=self._telling.contained.errors,
                last_listener_error=self._telling.contained.last,
            )

    def _keeping(self, key: Key, ttl: float | None, cost: float | None) -> Keep[Value]:
        def keep(value: Value, seconds: float) -> bool:
            return self._hold(key, value, ttl, seconds if cost is None else cost, 0.0)

        return keep

    def _hold(
        self, key: Key, value: Value, ttl_s: float | None, cost: float, stale_s: float
    ) -> bool:
        width_s = self._width_s
        if ttl_s is None:
            ttl_s = self._ttl_s
        elif ttl_s != self._ttl_s:
            width_s = bucket_width_s(seconds("ttl", ttl_s))
        if stale_s:
            width_s = bucket_width_s(ttl_s + seconds("stale", stale_s))
        weight = self._weigh(key, value)
        is_held = True
        with self._lock:
            now_s = self.now_s()
            if now_s >= self._expiry.due_s:
                self._expire(now_s)
            if self._uses:
                self._note_uses()
            is_fitting = ttl_s > 0 and weight <= self._bytes_max
            is_known = key in self._entries and self._replace(key, weight, is_fitting)
            if not is_fitting:
                is_held = False
            else:
                if not is_known:
                    self._policy.insert(key, weight or 1, cost)
                fresh_until_s = now_s + ttl_s
                expires_s = fresh_until_s + stale_s
                is_ending = expires_s < inf
                bucket = self._expiry.add(key, expires_s, width_s) if is_ending else self._no_bucket
                self._entries[key] = Entry(value, fresh_until_s, expires_s, bucket, weight)
                self._bytes += weight
                while self._bytes > self._bytes_max or len(self._entries) > self._size_max:
                    leaving = self._policy.evict()
                    self._drop(leaving, "capacity")
                    self._evictions += 1
                    is_held = is_held and leaving != key
        if self._left:
            self._telling.tell()
        return is_held

    def _replace(self, key: Key, weight: int, is_fitting: bool) -> bool:
        """Drop what a key holds; says whether the policy goes on knowing the key.

        It does where the weight stays about the same: a value computed anew has its place already.
        """
        old = self._entries[key].weight
        self._drop(key, "replaced")
        if is_fitting and weight <= ALIKE * old and old <= ALIKE * weight:
            self._policy.touch(key)
            return True
        self._policy.remove(key)
        return False

    def _drop(self, key: Key, reason: Reason) -> None:
        entry = self._entries.pop(key)
        entry.bucket.pop(key, None)
        self._bytes -= entry.weight
        if self._is_heard:
            self._left.append((key, entry.value, reason))

    def _expire(self, now_s: float) -> None:
        self._note_uses()
        for key in self._expiry.take(now_s, EXPIRED_PER_STEP):
            self._policy.remove(key)
            self._drop(key, "expired")
            self._expirations += 1

    def _missed(self, default: object) -> object:
        with self._lock:
            self._misses += 1
            now_s = self.now_s()
            if now_s >= self._expiry.due_s:
                self._expire(now_s)
        if self._left:
            self._telling.tell()
        return default

    def _note_uses(self) -> None:
        with self._lock:
            uses, entries, touch = self._uses, self._entries, self._policy.touch
            count = len(uses)
            for _ in range(count):
                key = uses.popleft()
                if key in entries:
                    touch(key)
            self._hits += count

    @cached_property
    def _async_flights(self) -> "AsyncFlights[Key, Value]":
        from headrace.toolkit.async_flights import AsyncFlights

        return AsyncFlights(self._flights)
