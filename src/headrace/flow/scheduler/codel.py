"""Controlled Delay (RFC 8289): tells a queue that stands from one that works off a burst. Pure.

The RFC drops packets in a loop of its own. Here whoever has the queue asks about the oldest that
waits, again and again until the answer is no; the answers are those of the pseudo code in the RFC,
section 5.
"""

from enum import Enum
from math import sqrt
from typing import Final

# RFC 8289, 5.6: a new cycle within this many intervals goes on at the rate of the last.
_MEMORY_INTERVALS: Final = 16
# RFC 8289, 5.6, `bytes() <= maxpacket_`: a queue of one behind the head does not stand.
_BEHIND_MIN: Final = 1
# A target below the time between two turns could be met by no queue (RFC 8289, 4.4), and an
# interval has to see several turns.
_TURNS_PER_TARGET: Final = 1.5
_TARGETS_PER_INTERVAL: Final = 4.0


class _Last(Enum):
    """What the answer before was, within one dequeue of the RFC."""

    KEEP = 0
    ENTERED = 1
    DROPPED = 2


class CoDel:
    """Decides who is dropped from one queue, by how long its oldest has waited.

    Args:
        target_s: a wait that is nothing to worry about, in seconds.
        interval_s: how long the wait has to stay above it, in seconds.

    Attributes:
        interval_s: the interval in force, longer than the set one where turns are far apart.
        is_dropping: the queue has stood for an interval or longer.
    """

    __slots__ = (
        "_count",
        "_count_before",
        "_drop_next_s",
        "_first_above_s",
        "_interval_s_min",
        "_last",
        "_target_s",
        "_target_s_min",
        "interval_s",
        "is_dropping",
    )

    def __init__(self, *, target_s: float, interval_s: float) -> None:
        self._target_s = self._target_s_min = target_s
        self.interval_s = self._interval_s_min = interval_s
        self._first_above_s: float | None = None
        self._drop_next_s = 0.0
        self._count = 0
        self._count_before = 0
        self._last = _Last.KEEP
        self.is_dropping = False

    def pace(self, turn_s: float) -> None:
        """Turns of this queue come so many seconds apart."""
        self._target_s = max(self._target_s_min, _TURNS_PER_TARGET * turn_s)
        self.interval_s = max(self._interval_s_min, _TARGETS_PER_INTERVAL * self._target_s)

    def wants_drop(self, now_s: float, sojourn_s: float, behind: int) -> bool:
        """Whether the oldest is to be dropped; if so, ask about the next before anything else.

        Args:
            now_s: the time.
            sojourn_s: how long the oldest has waited.
            behind: how many wait behind it.
        """
        is_above = self._stands(now_s, sojourn_s, behind)
        last, self._last = self._last, _Last.KEEP
        if last is _Last.ENTERED:
            return False
        if self.is_dropping:
            return self._goes_on(now_s, last, is_above=is_above)
        if is_above:
            self._enter(now_s)
        return is_above

    def emptied(self) -> None:
        """Nobody waits any more."""
        self._first_above_s = None
        self._last = _Last.KEEP
        self.is_dropping = False

    def _stands(self, now_s: float, sojourn_s: float, behind: int) -> bool:
        if sojourn_s < self._target_s or behind <= _BEHIND_MIN:
            self._first_above_s = None
            return False
        if self._first_above_s is None:
            self._first_above_s = now_s + self.interval_s
            return False
        return now_s >= self._first_above_s

    def _goes_on(self, now_s: float, last: _Last, *, is_above: bool) -> bool:
        if not is_above:
            self.is_dropping = False
            return False
        if last is _Last.DROPPED:
            self._drop_next_s += self._pause_s()
        if now_s < self._drop_next_s:
            return False
        self._count += 1
        self._last = _Last.DROPPED
        return True

    def _enter(self, now_s: float) -> None:
        delta = self._count - self._count_before
        is_recent = now_s - self._drop_next_s < _MEMORY_INTERVALS * self.interval_s
        self._count = delta if delta > 1 and is_recent else 1
        self._count_before = self._count
        self._drop_next_s = now_s + self._pause_s()
        self._last = _Last.ENTERED
        self.is_dropping = True

    def _pause_s(self) -> float:
        return self.interval_s / sqrt(self._count)
