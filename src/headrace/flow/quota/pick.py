"""Which of a provider's keys a call should use."""

from collections.abc import Sequence
from typing import NamedTuple

from headrace.flow.quota.key import KeyQuota, Need


class Picked(NamedTuple):
    """Which key a call should use.

    Attributes:
        key: None where none has room.
        wait_s: until one has, if nobody else takes it; 0 where there is a key.
    """

    key: KeyQuota | None
    wait_s: float


def pick(keys: Sequence[KeyQuota], need: Need, now_s: float) -> Picked:
    """The key of a provider that will have most left, the one with fewer calls under way if equal.

    Args:
        keys: at least one.
        need: what the call will probably use.
        now_s: monotonic time, in seconds.
    """
    best: KeyQuota | None = None
    best_room = -1.0
    for key in keys:
        room = key.room(need, now_s) if key.is_limited else 1.0
        if room > best_room or (room == best_room >= 0 and best and key.pending < best.pending):
            best, best_room = key, room
    if best is not None:
        return Picked(best, 0.0)
    return Picked(None, min(key.wait_s(need, now_s) for key in keys))
