"""What is known of a key when somebody asks whether it will be used again."""

from collections import OrderedDict
from typing import Final

import msgspec

_SMOOTHING: Final = 0.3


class UseFacts(msgspec.Struct, frozen=True, gc=False):
    """One key at one moment.

    Attributes:
        category: route and model, or a tag.
        tenant: whose it is.
        size_bytes: of its answer.
        hour: hour of the day, 0 to 24, fractions included.
        age_s: seconds since it was first seen.
        idle_s: seconds since it was last used.
        hits: uses after the first.
        interval_s: running mean of the time between uses, 0 where there was but one.
    """

    category: str
    tenant: str
    size_bytes: int
    hour: float
    age_s: float
    idle_s: float
    hits: int
    interval_s: float


class _Trail(msgspec.Struct, gc=False):
    first_s: float
    last_s: float
    hits: int
    interval_s: float


class UseHistory:
    """When keys were used, held or not. The one used longest ago is forgotten first.

    About 350 bytes a key.

    Args:
        keys_max: keys that are remembered.
    """

    __slots__ = ("_keys_max", "_trails")

    def __init__(self, keys_max: int = 65_536) -> None:
        self._keys_max = keys_max
        self._trails: OrderedDict[bytes, _Trail] = OrderedDict()

    def __len__(self) -> int:
        return len(self._trails)

    def use(self, key: bytes, now_s: float) -> None:
        """A key was used, as a hit or as a miss."""
        trail = self._trails.get(key)
        if trail is None:
            if len(self._trails) >= self._keys_max:
                self._trails.popitem(last=False)
            self._trails[key] = _Trail(now_s, now_s, 0, 0.0)
            return
        gap_s = max(0.0, now_s - trail.last_s)
        if trail.hits:
            trail.interval_s += _SMOOTHING * (gap_s - trail.interval_s)
        else:
            trail.interval_s = gap_s
        trail.hits += 1
        trail.last_s = now_s
        self._trails.move_to_end(key)

    def last_s(self, key: bytes) -> float | None:
        """When a key was used last; `None` for one that is not remembered."""
        trail = self._trails.get(key)
        return None if trail is None else trail.last_s

    def facts(
        self, key: bytes, now_s: float, *, category: str, tenant: str, size_bytes: int, hour: float
    ) -> UseFacts:
        """What is known of a key at this moment; one never seen counts as used just now."""
        trail = self._trails.get(key)
        if trail is None:
            return UseFacts(category, tenant, size_bytes, hour, 0.0, 0.0, 0, 0.0)
        return UseFacts(
            category,
            tenant,
            size_bytes,
            hour,
            max(0.0, now_s - trail.first_s),
            max(0.0, now_s - trail.last_s),
            trail.hits,
            trail.interval_s,
        )
