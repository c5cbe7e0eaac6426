"""Three queues in order of arrival: a small one to try newcomers, a main one, and ghosts.

S3-FIFO: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction",
SOSP 2023. Most keys are used once and soon leave through the small queue; one that was used, or
that comes back while its ghost is known, goes to the main queue, where uses are second chances.
"""

from collections import OrderedDict
from typing import Final, Generic

from headrace.cache.policy.base import Key

USES_MAX: Final = 3
USES_FOR_MAIN: Final = 2
SMALL_SHARE_DIVISOR: Final = 10
# Second chances in one eviction: a million keys in use must not hold it up.
CHANCES_MAX: Final = 64


class S3FifoPolicy(Generic[Key]):
    """The small queue is given a tenth of the bytes held; ghosts are never more than the held."""

    __slots__ = ("_ghosts", "_main", "_main_bytes", "_small", "_small_bytes", "_uses")

    def __init__(self) -> None:
        self._uses: dict[Key, int] = {}
        self._small: OrderedDict[Key, int] = OrderedDict()
        self._main: OrderedDict[Key, int] = OrderedDict()
        self._ghosts: OrderedDict[Key, None] = OrderedDict()
        self._small_bytes = 0
        self._main_bytes = 0

    @property
    def ghosts(self) -> int:
        """Keys that are remembered and not held."""
        return len(self._ghosts)

    def touch(self, key: Key) -> None:
        uses = self._uses[key]
        if uses < USES_MAX:
            self._uses[key] = uses + 1

    def insert(self, key: Key, size: int, worth: float) -> None:  # noqa: ARG002
        self._uses[key] = 0
        if key in self._ghosts:
            del self._ghosts[key]
            self._main[key] = size
            self._main_bytes += size
        else:
            self._small[key] = size
            self._small_bytes += size

    def adopt(self, key: Key, size: int, worth: float) -> None:  # noqa: ARG002
        self._uses[key] = 0
        self._main[key] = size
        self._main_bytes += size

    def remove(self, key: Key) -> None:
        del self._uses[key]
        if key in self._small:
            self._small_bytes -= self._small.pop(key)
        else:
            self._main_bytes -= self._main.pop(key)
        self._trim_ghosts()

    def evict(self) -> Key:
        for _ in range(CHANCES_MAX):
            if not (self._spare_small() if self._is_small_next() else self._spare_main()):
                break
        return self._drop_small() if self._is_small_next() else self._drop_main()

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        """Changes nothing: the queues share what is held."""

    def _is_small_next(self) -> bool:
        if not self._main:
            return True
        small_bytes = self._small_bytes
        is_above = small_bytes * SMALL_SHARE_DIVISOR >= small_bytes + self._main_bytes
        return is_above and bool(self._small)

    def _spare_small(self) -> bool:
        """Move the oldest of the small queue to the main one, if it was used enough."""
        key = next(iter(self._small), None)
        if key is None or self._uses[key] < USES_FOR_MAIN:
            return False
        size = self._main[key] = self._small.pop(key)
        self._small_bytes -= size
        self._main_bytes += size
        self._uses[key] = 0
        return True

    def _spare_main(self) -> bool:
        """Let the oldest of the main queue go round again for one of its uses."""
        key = next(iter(self._main))
        uses = self._uses[key]
        if not uses:
            return False
        self._uses[key] = uses - 1
        self._main.move_to_end(key)
        return True

    def _drop_small(self) -> Key:
        key, size = self._small.popitem(last=False)
        self._small_bytes -= size
        del self._uses[key]
        self._ghosts[key] = None
        self._trim_ghosts()
        return key

    def _drop_main(self) -> Key:
        key, size = self._main.popitem(last=False)
        self._main_bytes -= size
        del self._uses[key]
        self._trim_ghosts()
        return key

    def _trim_ghosts(self) -> None:
        while len(self._ghosts) > len(self._uses):
            self._ghosts.popitem(last=False)
