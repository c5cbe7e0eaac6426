"""What caches tell of themselves."""

from typing import Literal, NamedTuple

import msgspec

from headrace.cache.adaptive import CategoryTtl

Reason = Literal["capacity", "expired", "removed", "replaced"]


class CacheInfo(NamedTuple):
    """What `cache_info()` of a cached function tells, as functools does."""

    hits: int
    misses: int
    maxsize: int | None
    currsize: int


class CacheStats(msgspec.Struct, frozen=True):
    """What a `Cache` did since it was made, and what it holds.

    Attributes:
        hits: look-ups that were answered.
        misses: look-ups that were not.
        joined: callers that waited for what another one was computing.
        evictions: entries that left for want of room.
        expirations: entries that left because their time was up.
        entries: entries held; those whose time is up leave with the next use of the cache.
        bytes_held: what they weigh, estimated.
        listener_errors: how often a listener raised.
        last_listener_error: type and place of the last one; empty where there was none.
    """

    hits: int
    misses: int
    joined: int
    evictions: int
    expirations: int
    entries: int
    bytes_held: int
    listener_errors: int
    last_listener_error: str

    @property
    def hit_share(self) -> float:
        """Hits among all look-ups, 0 to 1; 0 before the first."""
        return self.hits / max(1, self.hits + self.misses)


class CacheErrors(msgspec.Struct, frozen=True):
    """What went wrong beside a cached function without its callers being told.

    Attributes:
        key_errors: calls whose `key=` function raised; they were made, and not cached.
        last_key_error: type and place of the last; empty where there was none.
        refresh_errors: computations in the background that failed; the old value was given on.
        last_refresh_error: type of what the last one raised; empty where there was none.
        backend_errors: how often the disk could not be read or written.
        last_backend_error: what the last one said; empty where there was none.
    """

    key_errors: int
    last_key_error: str
    refresh_errors: int
    last_refresh_error: str
    backend_errors: int
    last_backend_error: str


class AdaptiveStats(msgspec.Struct, frozen=True):
    """What an `AdaptiveCache` did, and what it has found out.

    Attributes:
        cache: hits, misses and what is held.
        policy: which policy is in charge: `lru`, `s3fifo` or `gdsf`.
        lifetimes: for each category how long its values live now, in seconds, how often a new
            value was held against the old one, and how often it was another.
        refreshed: values computed anew while the old one was given.
        refresh_errors: how often that failed.
        last_refresh_error: type of what the last one raised; empty where there was none.
        bridged: callers that were given an old value because computing a new one failed.
        last_bridged_error: type and place of the last of these errors; empty where there was none.
        refused: values that learned admission did not let in.
        foreseen_by: whose predictions of reuse count: `category`, `interval` or `learned`; empty
            without learned admission.
        caller_errors: how often `category` or `same` raised.
        last_caller_error: type and place of the last one; empty where there was none.
    """

    cache: CacheStats
    policy: str
    lifetimes: tuple[CategoryTtl, ...]
    refreshed: int
    refresh_errors: int
    last_refresh_error: str
    bridged: int
    last_bridged_error: str
    refused: int
    foreseen_by: str
    caller_errors: int
    last_caller_error: str
