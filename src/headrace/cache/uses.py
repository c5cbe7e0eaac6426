"""Uses of what memory holds, counted for a tier that goes by them; a hit hardly notices."""

from collections import deque
from collections.abc import Callable
from typing import Final

WAITING_MAX: Final = 16_384
KEYS_MAX: Final = 2048


class UseCounter:
    """Counts by key, in two steps: a hit leaves its key in a queue, and the time-keeper counts.

    What does not fit is not counted, the oldest of the queue first: ranks want to be right about
    what is used often, and that comes again.

    Args:
        waiting_max: uses that may wait to be counted.
        keys_max: keys that are counted between two times that the counts are taken.

    Attributes:
        note: a key was used. One step of the interpreter.
    """

    __slots__ = ("_counts", "_keys_max", "_waiting", "note")

    def __init__(self, *, waiting_max: int = WAITING_MAX, keys_max: int = KEYS_MAX) -> None:
        self._waiting: deque[bytes] = deque(maxlen=waiting_max)
        self._keys_max = keys_max
        self._counts: dict[bytes, int] = {}
        self.note: Callable[[bytes], None] = self._waiting.append

    def count(self, uses_max: int) -> None:
        """Count uses that wait, so many at most."""
        waiting, counts = self._waiting, self._counts
        for _ in range(min(uses_max, len(waiting))):
            key = waiting.popleft()
            if key in counts:
                counts[key] += 1
            elif len(counts) < self._keys_max:
                counts[key] = 1

    def take(self) -> dict[bytes, int]:
        """How often each key was used since the last time, as far as that was counted."""
        counts, self._counts = self._counts, {}
        return counts
