"""When keys expire: buckets of time, so that each key comes and goes at a fixed price.

The idea of a timing wheel (Varghese and Lauck 1987), as Caffeine uses it: a bucket is as wide as
the time to live it is for allows, between a 64th and a 32nd of it. So however many keys there
are, there are at most 65 buckets for each power of two between the shortest and the longest time
to live, and a key leaves its bucket late by that share, never early.
"""

from collections.abc import Hashable
from heapq import heappop, heappush
from math import frexp, inf
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

WIDTH_S_MIN: Final = 2.0**-10


def bucket_width_s(ttl_s: float) -> float:
    """How wide the buckets for this time to live are: a power of two, in seconds."""
    return max(WIDTH_S_MIN, 2.0 ** (frexp(ttl_s)[1] - 6)) if ttl_s < inf else inf


class Expiry(Generic[Key]):
    """The keys that expire, by when they are due.

    Attributes:
        due_s: when the first bucket is due; infinite where there is none.
    """

    __slots__ = (
        "_buckets",
        "_latest",
        "_latest_due_s",
        "_latest_from_s",
        "_latest_width_s",
        "_order",
        "due_s",
    )

    def __init__(self) -> None:
        self.due_s = inf
        self._buckets: dict[float, dict[Key, None]] = {}
        self._order: list[float] = []
        # The bucket that the latest key went into: the next key most likely does too.
        self._latest: dict[Key, None] = {}
        self._latest_from_s = inf
        self._latest_due_s = -inf
        self._latest_width_s = 0.0

    def add(self, key: Key, expires_s: float, width_s: float) -> dict[Key, None]:
        """Note that `key` expires; returns its bucket, which is where to delete it from.

        Args:
            key: not noted yet.
            expires_s: when, on the clock that `take` is told; infinite for never.
            width_s: how late it may be taken: its bucket's width, as `bucket_width_s` says.
        """
        if (
            self._latest_from_s <= expires_s < self._latest_due_s
            and width_s == self._latest_width_s
        ):
            bucket = self._latest
        else:
            bucket = self._bucket(expires_s, width_s)
        bucket[key] = None
        return bucket

    def take(self, now_s: float, keys_max: int) -> list[Key]:
        """Keys that are due, at most so many, the first due first; they are noted no longer.

        Taken from the end of a bucket: at its beginning, the gaps that keys leave would have to be
        passed each time.
        """
        taken: list[Key] = []
        while self.due_s <= now_s:
            bucket = self._buckets[self.due_s]
            while bucket and len(taken) < keys_max:
                taken.append(bucket.popitem()[0])
            if bucket:
                break
            del self._buckets[heappop(self._order)]
            self.due_s = self._order[0] if self._order else inf
            self._latest_due_s = -inf  # it may be the one that is gone
        return taken

    def _bucket(self, expires_s: float, width_s: float) -> dict[Key, None]:
        due_s = (expires_s // width_s + 1.0) * width_s if expires_s < inf else inf
        bucket = self._buckets.get(due_s)
        if bucket is None:
            bucket = self._buckets[due_s] = {}
            if due_s < inf:
                heappush(self._order, due_s)
                self.due_s = self._order[0]
        self._latest = bucket
        self._latest_from_s, self._latest_due_s = due_s - width_s, due_s
        self._latest_width_s = width_s
        return bucket
