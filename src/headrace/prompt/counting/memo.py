"""Counts of texts that were counted before, bounded in bytes."""

import hashlib
import threading
from typing import Final

from headrace.prompt.counting.content import Traits

# What is shorter is counted sooner than it is looked up.
CHARS_MIN: Final = 96
# A dict's slot, a digest, and two tuples with numbers in them; shares are mostly shared ones.
_ENTRY_BYTES: Final = 400

Reading = tuple[float, Traits | None]
"""Tokens in some vocabulary, and what else is known of a text, where that was asked for."""


class Memo:
    """Remembers by digest, so that it holds no texts; the least recently used leaves first.

    May be used by several threads.

    Args:
        bytes_max: about how much memory it may take.
    """

    __slots__ = ("_entries", "_held", "_lock")

    def __init__(self, bytes_max: int) -> None:
        self._entries = max(0, bytes_max // _ENTRY_BYTES)
        self._held: dict[bytes, Reading] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def bytes_held(self) -> int:
        """About how much memory it takes."""
        return len(self._held) * _ENTRY_BYTES

    def get(self, key: bytes) -> Reading | None:
        """What is remembered."""
        with self._lock:
            found = self._held.pop(key, None)
            if found is not None:
                self._held[key] = found  # the latest stands last
            return found

    def put(self, key: bytes, reading: Reading) -> None:
        """Remember, and forget what is too much."""
        with self._lock:
            self._held[key] = reading
            while len(self._held) > self._entries:
                del self._held[next(iter(self._held))]


def memo_key(text: str, vocabulary: str) -> bytes:
    """What a text is remembered by."""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16, person=vocabulary[:16].encode()).digest()
