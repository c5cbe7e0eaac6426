"""A sample of the keys, and what each of several policies would have held of it.

Keys are sampled by their spread, so of a sampled key every use is seen: SHARDS (Waldspurger,
Park, Garthwaite, Ahmad, FAST 2015). A cache of a share of the room on that share of the keys has
about the hits of the whole (miniature simulation: Waldspurger, Saemundsson, Ahmad, Park, USENIX
ATC 2017). As more keys are held, the share shrinks, so the sample has a bound.
"""

from collections.abc import Sequence
from typing import Final, Generic

import msgspec

from headrace.cache.policy.base import Key, Policy
from headrace.cache.policy.shadow import Shadow
from headrace.cache.policy.spread import SPREAD_BITS, spread_of

_SAMPLE_BITS: Final = 24
# The highest bits of a spread choose the sample; sketches of the shadows use the others.
_SAMPLE_SHIFT: Final = SPREAD_BITS - _SAMPLE_BITS
# The share grows again when the sample has become this part of its bound.
_SPARSE_DIVISOR: Final = 16


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What is known of a held key: bytes, and dollars that its next use saves."""

    size: int
    worth: float


class Panel(Generic[Key]):
    """Shadows on a sample.

    Args:
        policies: what to try; empty ones.
        bytes_max: room of the real cache.
        entries_max: likewise, in keys.
        keys_max: keys that each shadow holds at the most, and of the real cache's keys those
            that are in the sample.
        share_max: share of all keys that is sampled at first and at the most.
        seed: which keys these are.
    """

    __slots__ = (
        "_bytes_max",
        "_entries_max",
        "_keys_max",
        "_shadows",
        "_spread",
        "_threshold",
        "_threshold_max",
        "watched",
    )

    def __init__(
        self,
        policies: Sequence[Policy[Key]],
        *,
        bytes_max: int,
        entries_max: int,
        keys_max: int,
        share_max: float,
        seed: int,
    ) -> None:
        self.watched: Final[dict[Key, Facts]] = {}
        """Keys that are in the sample, and held by the real cache."""
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        self._keys_max = keys_max
        self._spread = spread_of(seed)
        self._threshold_max = self._threshold = int(share_max * (1 << _SAMPLE_BITS))
        self._shadows = [Shadow(policy, **self._room()) for policy in policies]

    @property
    def share(self) -> float:
        """Share of all keys that is in the sample."""
        return self._threshold / (1 << _SAMPLE_BITS)

    @property
    def keys(self) -> int:
        """Keys that the largest shadow holds, or the sample if that is more."""
        return max(len(self.watched), *map(len, self._shadows))

    @property
    def held_min(self) -> int:
        """The sample is sparse when the real cache holds fewer keys than this."""
        if self._threshold == self._threshold_max:
            return 0
        return (self._keys_max << _SAMPLE_BITS) // _SPARSE_DIVISOR // max(1, self._threshold)

    def enter(self, key: Key, facts: Facts) -> tuple[bool, ...] | None:
        """A key came into the real cache: which shadows held it, if it is in the sample."""
        if self._spread(key) >> _SAMPLE_SHIFT >= self._threshold:
            return None
        self.watched[key] = facts
        hits = self._hits(key, facts)
        self._narrow()  # shadows may have held it all along, and the real cache anew
        return hits

    def use(self, key: Key, facts: Facts) -> tuple[bool, ...]:
        """A watched key is used: which shadows held it."""
        hits = self._hits(key, facts)
        if not all(hits):
            self._narrow()
        return hits

    def remove(self, key: Key) -> None:
        """A key left the real cache, because its value is of no use: nobody should hold it."""
        if self.watched.pop(key, None) is not None:
            for shadow in self._shadows:
                shadow.discard(key)

    def widen(self) -> None:
        """Sample twice as many keys, unless a shadow might be too small for that.

        What the real cache holds already is seen from the next time on that it comes in.
        """
        if self.keys * 4 <= self._keys_max:
            self._set_threshold(min(self._threshold_max, max(1, self._threshold * 2)))

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        """The real cache has this much room from now on."""
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        for shadow in self._shadows:
            shadow.resize(**self._room())

    def _hits(self, key: Key, facts: Facts) -> tuple[bool, ...]:
        return tuple([shadow.use(key, facts.size, facts.worth) for shadow in self._shadows])

    def _narrow(self) -> None:
        """Sample fewer keys, where there are too many."""
        while self._threshold and self.keys > self._keys_max:
            self._set_threshold(self._threshold // 2)

    def _set_threshold(self, threshold: int) -> None:
        self._threshold = threshold
        for key in [key for key in self.watched if not self._is_sampled(key)]:
            del self.watched[key]
        for shadow in self._shadows:
            shadow.keep(self._is_sampled)
            shadow.resize(**self._room())

    def _is_sampled(self, key: Key) -> bool:
        return self._spread(key) >> _SAMPLE_SHIFT < self._threshold

    def _room(self) -> dict[str, int]:
        return {
            "bytes_max": self._bytes_max * self._threshold >> _SAMPLE_BITS,
            "entries_max": max(1, self._entries_max * self._threshold >> _SAMPLE_BITS),
        }
