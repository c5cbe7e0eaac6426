"""Work of a thread that leaves the interpreter to the loop every so often.

A thread that only computes gives the interpreter away after 5 ms, when somebody waits for it, and
takes it again as soon as that one waits for the network: a loop that is woken a thousand times a
second waits each time. So what takes long is done in goes with pauses between them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")

ITEMS_A_GO: Final = 8
# Long enough for whoever waits to wake and take the interpreter.
PAUSE_S: Final = 0.0002


class Pace:
    """Counts what was done, and pauses after every few.

    Args:
        pause: waits for some seconds without the interpreter.
    """

    def __init__(self, pause: Callable[[float], object]) -> None:
        self._pause = pause
        self._done = 0

    def step(self) -> None:
        """Something more comes next."""
        if self._done and not self._done % ITEMS_A_GO:
            self._pause(PAUSE_S)
        self._done += 1


class Paced(Sequence[B], Generic[A, B]):
    """A sequence whose items are made when they are asked for, at a pace.

    Args:
        items: what they are made of.
        make: makes one.
        pace: of going through them.
    """

    def __init__(self, items: Sequence[A], make: Callable[[A], B], pace: Pace) -> None:
        self._items = items
        self._make = make
        self._pace = pace

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[B]:
        for item in self._items:
            self._pace.step()
            yield self._make(item)

    @overload
    def __getitem__(self, at: int) -> B: ...
    @overload
    def __getitem__(self, at: slice) -> "Paced[A, B]": ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return Paced(self._items[at], self._make, self._pace)
        return self._make(self._items[at])
