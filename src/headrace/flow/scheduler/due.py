"""Who has to be refused by when. Pure."""

from heapq import heapify, heappop, heappush
from math import inf
from typing import Final, Generic

from headrace.flow.scheduler.ticket import Ticket, WaiterT

# Fewer entries than this are not worth clearing up.
_ENTRIES_MIN: Final = 64


class DueTimes(Generic[WaiterT]):
    """Tickets by the time they are due, in a heap; those that left are cleared up by and by."""

    __slots__ = ("_entries", "_number")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Ticket[WaiterT]]] = []
        self._number = 0

    @property
    def next_s(self) -> float:
        """When the next one is due, or was before it left; infinite where nobody waits."""
        return self._entries[0][0] if self._entries else inf

    def add(self, ticket: Ticket[WaiterT], waiting: int) -> None:
        """A ticket waits, as one of so many."""
        if len(self._entries) > 2 * waiting + _ENTRIES_MIN:
            self._entries = [entry for entry in self._entries if entry[2].is_waiting]
            heapify(self._entries)
        self._number += 1
        heappush(self._entries, (ticket.due_s, self._number, ticket))

    def pop(self, now_s: float) -> Ticket[WaiterT] | None:
        """One that waits and is due, or `None`."""
        while self._entries and self._entries[0][0] <= now_s:
            ticket = heappop(self._entries)[2]
            if ticket.is_waiting:
                return ticket
        return None

    def clear(self) -> None:
        """Nobody waits any more."""
        self._entries.clear()
