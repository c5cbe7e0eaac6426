"""What workers count together: a few numbers for each key that has limits, in shared memory."""

import mmap
import tempfile
from collections.abc import Iterable
from typing import Final

from headrace.flow.rate import CELLS
from headrace.server.shared_spend import FileLock
from headrace.settings import KeySettings

KEYS_MAX: Final = 4096
_CELL_BYTES: Final = 8
# How many places are given.
_HEAD_CELLS: Final = 1
# As many bits of a key's digest as a float holds exactly, less one: 0 is nobody's.
_TAG_BYTES: Final = 6


class SharedRates:
    """A table of limited keys, made before the first fork.

    Whoever sees a key first assigns: the supervisor those of the settings, workers those of the
    store. Places are given one after the other, and none ever to another key, so that nobody counts
    for the wrong one; so each process remembers where they are, and looks only at those added.

    Args:
        workers: how many count.
        keys_max: places; keys beyond have none.
    """

    def __init__(self, workers: int, keys_max: int = KEYS_MAX) -> None:
        self._stride = 1 + CELLS + workers
        memory = mmap.mmap(-1, (_HEAD_CELLS + keys_max * self._stride) * _CELL_BYTES)
        self._cells = memoryview(memory).cast("d")
        self._keys_max = keys_max
        self._places: dict[float, int] = {}  # where each begins, by the tag of its key
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as there are workers
        self._lock = FileLock(self._file.fileno())

    def assign(self, keys: Iterable[KeySettings]) -> int:
        """Give every key with limits a place that has none yet.

        Returns:
            For how many of them there is none; each worker counts them by itself.
        """
        tags = dict.fromkeys(_tag(key.place_bytes()) for key in keys if key.is_limited)
        self._see()
        missing = [tag for tag in tags if tag not in self._places]
        if missing and self._cells[0] < self._keys_max:
            with self._lock:
                self._see()
                for tag in missing:
                    self._take(tag)
        return sum(tag not in self._places for tag in missing)

    def cells(self, key: KeySettings) -> "memoryview[float] | None":
        """The numbers of a key, as `CallerRate` wants them; None for one that has no place."""
        tag = _tag(key.place_bytes())
        if tag not in self._places:
            self._see()
        at = self._places.get(tag)
        return None if at is None else self._cells[at + 1 : at + self._stride]

    def _take(self, tag: float) -> None:
        count = int(self._cells[0])
        if tag not in self._places and count < self._keys_max:
            self._cells[_HEAD_CELLS + count * self._stride] = tag
            self._cells[0] = count + 1  # last: who reads without the lock sees the tag, or no place
            self._see()

    def _see(self) -> None:
        """Take in the places that were given of late."""
        for number in range(len(self._places), int(self._cells[0])):
            at = _HEAD_CELLS + number * self._stride
            self._places[self._cells[at]] = at


def _tag(digest: bytes) -> float:
    return float(int.from_bytes(digest[:_TAG_BYTES], "big") + 1)
