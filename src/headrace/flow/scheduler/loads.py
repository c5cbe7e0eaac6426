"""Which tenant has most waiting. Pure."""

from heapq import heapify, heappop, heappush, heapreplace
from typing import Final, Generic

from headrace.flow.scheduler.line import Line
from headrace.flow.scheduler.ticket import WaiterT

# Fewer entries than this are not worth clearing up.
_ENTRIES_MIN: Final = 64


class Loads(Generic[WaiterT]):
    """Lines by their load, in a heap whose entries are put right when they come to the top.

    A line has one entry that counts: the one with `line.ranked`, which is its load or above it.
    """

    __slots__ = ("_entries", "_number")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Line[WaiterT]]] = []
        self._number = 0

    def grew(self, line: Line[WaiterT], lines: int) -> None:
        """A ticket came into `line`, which is one of so many.

        Args:
            line: which.
            lines: how many there are in all.
        """
        load = line.load
        if load <= line.ranked:
            return
        line.ranked = load
        if len(self._entries) > 2 * lines + _ENTRIES_MIN:
            self._entries = [each for each in self._entries if -each[0] == each[2].ranked]
            heapify(self._entries)
        self._number += 1
        heappush(self._entries, (-load, self._number, line))

    def heaviest(self) -> Line[WaiterT] | None:
        """The line with the highest load, or `None` where nobody waits."""
        entries = self._entries
        while entries:
            rank, number, line = entries[0]
            load = line.load
            if -rank != line.ranked:
                heappop(entries)
            elif load == line.ranked:
                return line
            elif load > 0.0:
                line.ranked = load
                heapreplace(entries, (-load, number, line))
            else:
                line.ranked = 0.0
                heappop(entries)
        return None

    def clear(self) -> None:
        """Nobody waits any more."""
        self._entries.clear()
