"""What a policy would have held: a cache of keys and sizes, without values."""

from collections.abc import Callable
from typing import Generic

from headrace.cache.policy.base import Key, Policy


class Shadow(Generic[Key]):
    """A policy at work on a sample of the keys, with the sample's share of the room.

    Args:
        policy: an empty one.
        bytes_max: bytes it may hold.
        entries_max: keys it may hold.
    """

    __slots__ = ("_bytes", "_bytes_max", "_entries_max", "_policy", "_sizes", "_touch")

    def __init__(self, policy: Policy[Key], *, bytes_max: int, entries_max: int) -> None:
        self._policy = policy
        self._touch = policy.touch
        self._sizes: dict[Key, int] = {}
        self._bytes = 0
        self._bytes_max = bytes_max
        self._entries_max = entries_max

    def __len__(self) -> int:
        return len(self._sizes)

    def use(self, key: Key, size: int, worth: float) -> bool:
        """Whether a key that is asked for would have been held; now it is, if it deserves it."""
        if key in self._sizes:
            self._touch(key)
            return True
        if size <= self._bytes_max:
            self._sizes[key] = size
            self._bytes += size
            self._policy.insert(key, size, worth)
            self._make_room()
        return False

    def discard(self, key: Key) -> None:
        """Hold a key no longer, if it is held."""
        size = self._sizes.pop(key, None)
        if size is not None:
            self._bytes -= size
            self._policy.remove(key)

    def keep(self, is_kept: Callable[[Key], bool]) -> None:
        """Discard every key that `is_kept` denies."""
        for key in [key for key in self._sizes if not is_kept(key)]:
            self.discard(key)

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        """Change the room; what no longer fits leaves at once."""
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        self._make_room()

    def _make_room(self) -> None:
        while self._bytes > self._bytes_max or len(self._sizes) > self._entries_max:
            self._bytes -= self._sizes.pop(self._policy.evict())
