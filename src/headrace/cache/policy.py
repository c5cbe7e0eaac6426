"""Eviction policies: which key leaves when the cache is full. Pure: keys, never values."""

from collections import OrderedDict
from typing import Protocol


class Policy(Protocol):
    """Decides the order in which keys leave. The cache owns the entries and their weights."""

    def insert(self, key: bytes, weight: int) -> None:
        """A key came in; `weight` is its size in bytes."""
        ...

    def touch(self, key: bytes) -> None:
        """A key that is held was used."""
        ...

    def remove(self, key: bytes) -> None:
        """A key that is held left for another reason than eviction."""
        ...

    def evict(self) -> bytes:
        """Name the key that leaves next and forget it.

        Raises:
            KeyError: nothing is held.
        """
        ...


class LruPolicy:
    """Least recently used leaves first."""

    __slots__ = ("_order", "touch")

    def __init__(self) -> None:
        self._order: OrderedDict[bytes, None] = OrderedDict()
        # Bound once: a hit calls it, and a method around it would cost more than it does.
        self.touch = self._order.move_to_end

    def insert(self, key: bytes, weight: int) -> None:  # noqa: ARG002
        self._order[key] = None

    def remove(self, key: bytes) -> None:
        del self._order[key]

    def evict(self) -> bytes:
        return self._order.popitem(last=False)[0]
