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
# As many bits of a key's digest as a float holds exactly, less one: 0 is nobody's.
_TAG_BYTES: Final = 6


class SharedRates:
    """A table of limited keys, made before the first fork.

    Whoever sees a key first assigns: the supervisor those of the settings, workers those of the
    store. No place is ever given to another key, so that nobody counts for the wrong one.

    Args:
        workers: how many count.
        keys_max: places; keys beyond have none.
    """

    def __init__(self, workers: int, keys_max: int = KEYS_MAX) -> None:
        self._stride = 1 + CELLS + workers
        memory = mmap.mmap(-1, keys_max * self._stride * _CELL_BYTES)
        self._cells = memoryview(memory).cast("d")
        self._places = keys_max
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as there are workers
        self._lock = FileLock(self._file.fileno())

    def assign(self, keys: Iterable[KeySettings]) -> None:
        """Give every key with limits a place that has none yet."""
        for key in keys:
            if key.is_limited:
                digest = key.digest_bytes()
                if self.cells(digest) is None:
                    self._take(_tag(digest))

    def cells(self, digest: bytes) -> "memoryview[float] | None":
        """The numbers of a key, as `CallerRate` wants them; None for one that has no place."""
        at = self._find(_tag(digest), or_free=False)
        return None if at is None else self._cells[at + 1 : at + self._stride]

    def _take(self, tag: float) -> None:
        with self._lock:
            at = self._find(tag, or_free=True)
            if at is not None:
                self._cells[at] = tag

    def _find(self, tag: float, *, or_free: bool) -> int | None:
        """Where a key's place begins: the first from where its digest points (linear probing)."""
        for step in range(self._places):
            at = (int(tag) + step) % self._places * self._stride
            if self._cells[at] == tag:
                return at
            if self._cells[at] == 0:
                return at if or_free else None
        return None


def _tag(digest: bytes) -> float:
    return float(int.from_bytes(digest[:_TAG_BYTES], "big") + 1)
