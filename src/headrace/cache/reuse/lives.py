"""How long answers stay in memory: shorter where they will hardly be used again."""

from math import exp, log
from typing import Final

import msgspec

from headrace.cache.expiry import Expiry, bucket_width_s

# From this chance on an answer stays for its whole life.
_CHANCE_WHOLE: Final = 0.5


class Stay(msgspec.Struct, frozen=True, gc=False):
    """A key whose time is to be looked at.

    Attributes:
        began_s: when its time was given to it, monotonic seconds.
    """

    key: bytes
    began_s: float


class Lives:
    """Times in memory, between two bounds, and who is at the end of one.

    About 300 bytes for each key that is waited for.

    Args:
        ttl_s_min: of what will not be used again, seconds.
        ttl_s_max: of what will be, seconds.
    """

    def __init__(self, ttl_s_min: float, ttl_s_max: float) -> None:
        self._ttl_s_min = ttl_s_min
        self._ttl_s_max = ttl_s_max
        self._expiry: Expiry[bytes] = Expiry()
        self._stays: dict[bytes, tuple[float, dict[bytes, None]]] = {}

    def __len__(self) -> int:
        return len(self._stays)

    def ttl_s(self, chance: float, whole_s: float) -> float:
        """How long to hold an answer.

        Between the bounds it grows with the chance, by equal factors for equal steps.

        Args:
            chance: that it is used within `whole_s`.
            whole_s: how long it is of use, seconds; it is never held longer.
        """
        high_s = min(whole_s, self._ttl_s_max)
        low_s = min(whole_s, self._ttl_s_min)
        if chance >= _CHANCE_WHOLE or low_s <= 0.0:
            return high_s
        share = max(chance, 0.0) / _CHANCE_WHOLE
        return low_s * exp(share * log(high_s / low_s))

    def begin(self, key: bytes, now_s: float, ttl_s: float) -> None:
        """Wait for the end of a time."""
        self.end(key)
        bucket = self._expiry.add(key, now_s + ttl_s, bucket_width_s(ttl_s))
        self._stays[key] = (now_s, bucket)

    def end(self, key: bytes) -> None:
        """A key has left, or has come anew: what was waited for does not count any more."""
        stay = self._stays.pop(key, None)
        if stay is not None:
            stay[1].pop(key, None)

    def due(self, now_s: float, keys_max: int) -> list[Stay]:
        """Whose time is over, at most so many; they are not waited for any more."""
        keys = self._expiry.take(now_s, keys_max)
        return [Stay(key, self._stays.pop(key)[0]) for key in keys]
