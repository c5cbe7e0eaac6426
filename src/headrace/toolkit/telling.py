"""Tells listeners what has left a cache, after it has: never under a lock of the cache."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any, Final

from headrace.toolkit.containment import Containment
from headrace.toolkit.stats import Reason

Listener = Callable[[Any, Any, Reason], object]

# What listeners make leave by what they do is told when they are done, so often in one go. The
# rest waits for the next change: one that changes the cache each time would never come to an end.
ROUNDS_MAX: Final = 8


class Telling:
    """What has left and is still to be told. Thread-safe without a lock.

    Args:
        listeners: called with key, value and reason.

    Attributes:
        is_heard: whether there is a listener.
        left: key, value and reason of what is still to be told.
        contained: what listeners raised.
    """

    __slots__ = ("_listeners", "_tellers", "contained", "is_heard", "left")

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(listeners)
        self._tellers: set[int] = set()
        self.is_heard = bool(self._listeners)
        self.left: deque[tuple[Any, Any, Reason]] = deque()
        self.contained = Containment()

    def tell(self) -> None:
        """Tell what has left, on this thread; nothing where a listener on this thread asks for it.

        Only what is no `Exception` goes further: an interrupt.
        """
        thread = get_ident()
        if not self.left or thread in self._tellers:
            return
        self._tellers.add(thread)
        try:
            for _ in range(ROUNDS_MAX):
                self._tell_round()
        finally:
            self._tellers.discard(thread)

    def _tell_round(self) -> None:
        for _ in range(len(self.left)):
            try:
                event = self.left.popleft()
            except IndexError:  # another thread tells it
                return
            for listener in self._listeners:
                with self.contained:
                    listener(*event)
