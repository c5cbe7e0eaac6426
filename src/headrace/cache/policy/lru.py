"""Least recently used leaves first."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic

from headrace.cache.policy.base import Key


class LruPolicy(Generic[Key]):
    """The order of use, and nothing else."""

    __slots__ = ("_order", "touch")

    def __init__(self) -> None:
        self._order: OrderedDict[Key, None] = OrderedDict()
        # Bound once: a hit calls it, and a method around it would cost more than it does.
        self.touch: Callable[[Key], None] = self._order.move_to_end

    def insert(self, key: Key, size: int, worth: float) -> None:  # noqa: ARG002
        self._order[key] = None

    def adopt(self, key: Key, size: int, worth: float) -> None:  # noqa: ARG002
        self._order[key] = None

    def remove(self, key: Key) -> None:
        del self._order[key]

    def evict(self) -> Key:
        return self._order.popitem(last=False)[0]

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        """Changes nothing: the order of use knows no room."""
