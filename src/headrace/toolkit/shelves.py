"""Where a cached function keeps its values: a cache of its own, or one that it shares."""

from collections.abc import Callable, Hashable
from itertools import count
from threading import Lock
from typing import Any, Protocol

from headrace.toolkit.cache import Cache
from headrace.toolkit.freezing import Mark
from headrace.toolkit.stats import CacheInfo


class Shelf(Protocol):
    """What a cached function asks of whatever holds its values. Thread-safe.

    Attributes:
        find: the value of a key, or its second argument; counts hits and misses.
        now_s: the time, in seconds.
        is_plain: whether keys are their own addresses.
    """

    find: Callable[[Any, Any], Any]
    now_s: Callable[[], float]
    is_plain: bool

    def address(self, key: Hashable) -> Hashable:
        """The key by which the values of a call are kept here."""
        ...

    def peek(self, key: Any) -> Any:
        """The value of a key, or `MISSING`; counts nothing."""
        ...

    def peek_stale(self, key: Any) -> Any:
        """The value of a key, fresh or stale, or `MISSING`; counts nothing."""
        ...

    def keep(self, key: Any, value: Any, seconds: float) -> None:
        """Hold a value that took so many seconds to compute."""
        ...

    def drop(self, key: Any) -> bool:
        """Hold the value no longer; says whether there was a fresh one."""
        ...

    def clear(self) -> None:
        """Hold no value of this function any more."""
        ...

    def info(self) -> CacheInfo:
        """Hits and misses of this function, and how much is held of it."""
        ...

    def errors(self) -> tuple[int, str]:
        """How often it could not be read or written, and what the last error said."""
        ...


class MemoryShelf:
    """A memory cache.

    Args:
        cache: the cache.
        is_shared: whether others keep their values there too; then only what is this function's
            is counted and cleared.
        ttl: seconds that values are given for; `None` for the cache's own.
        stale: seconds that they are held beyond.
    """

    def __init__(
        self,
        cache: Cache[Any, Any],
        *,
        is_shared: bool,
        ttl: float | None,
        stale: float,
    ) -> None:
        self._cache = cache
        self._scope = Mark(()) if is_shared else None
        self._ttl = ttl
        self._stale = stale
        self._tally = Tally(cache.get)
        self._cleared = (0, 0)
        self.find: Callable[[Any, Any], Any] = self._tally.find if is_shared else cache.get
        self.peek = cache.peek
        self.peek_stale = cache.peek_stale
        self.now_s = cache.now_s
        self.is_plain = not is_shared

    def address(self, key: Hashable) -> Hashable:
        return key if self._scope is None else (self._scope, key)

    def keep(self, key: Any, value: Any, seconds: float) -> None:
        self._cache.set(key, value, self._ttl, cost=seconds, stale=self._stale)

    def drop(self, key: Any) -> bool:
        return self._cache.delete(key)

    def clear(self) -> None:
        self._cache.delete_where(self._is_own)
        self._cleared = self._counts()

    def info(self) -> CacheInfo:
        hits, misses = self._counts()
        entries = len(self._cache) if self._scope is None else self._cache.count(self._is_own)
        before_hits, before_misses = self._cleared
        return CacheInfo(hits - before_hits, misses - before_misses, self._cache.max_size, entries)

    def errors(self) -> tuple[int, str]:
        return 0, ""

    def _counts(self) -> tuple[int, int]:
        if self._scope is not None:
            return self._tally.counts()
        stats = self._cache.stats()
        return stats.hits, stats.misses

    def _is_own(self, key: Any) -> bool:
        return self._scope is None or (type(key) is tuple and key[0] is self._scope)


class Tally:
    """Counts the look-ups of one function in a cache that it shares. Thread-safe without a lock.

    Args:
        find: the look-up.
    """

    def __init__(self, find: Callable[[Any, Any], Any]) -> None:
        self._find = find
        self._hit = count().__next__
        self._miss = count().__next__
        self._lock = Lock()
        self._asked = 0

    def find(self, key: Any, default: Any) -> Any:
        """Look up and count."""
        value = self._find(key, default)
        if value is default:
            self._miss()
        else:
            self._hit()
        return value

    def counts(self) -> tuple[int, int]:
        """Hits and misses so far."""
        with self._lock:  # what counts them is told by counting once more
            counts = self._hit() - self._asked, self._miss() - self._asked
            self._asked += 1
            return counts
