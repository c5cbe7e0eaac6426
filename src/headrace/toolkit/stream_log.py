"""What one source has said, and how far each of its readers is. No loop and no time."""

from typing import Generic, TypeVar

Chunk = TypeVar("Chunk")


class Seat:
    """How far one reader is.

    Attributes:
        place: number of the chunk it takes next.
        joined_at: number of the first chunk that came after it.
        missed: chunks that were gone when it came.
        has_read: whether it took anything.
    """

    __slots__ = ("has_read", "joined_at", "missed", "place")

    def __init__(self, place: int, joined_at: int) -> None:
        self.place = self.missed = place
        self.joined_at = joined_at
        self.has_read = False


class StreamLog(Generic[Chunk]):
    """Chunks, kept for those who come late and those who are not as far.

    Args:
        buffer_max: chunks that a reader may leave unread of those that came while it was there.
        history_max: chunks kept for readers to come.
    """

    __slots__ = ("_buffer_max", "_chunks", "_first", "_history_max", "seats")

    def __init__(self, *, buffer_max: int, history_max: int) -> None:
        self._buffer_max = buffer_max
        self._history_max = history_max
        self._chunks: list[Chunk] = []
        self._first = 0
        self.seats: set[Seat] = set()

    def __len__(self) -> int:
        """Chunks held."""
        return len(self._chunks)

    def push(self, chunk: Chunk) -> None:
        """One more has come."""
        self._chunks.append(chunk)
        self._trim()

    def join(self) -> Seat:
        """A reader comes, and begins with the oldest chunk that is there."""
        oldest = max(self._first, self._end - self._history_max)
        seat = Seat(oldest, self._end)
        self.seats.add(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """A reader is gone; nothing happens if it was before."""
        self.seats.discard(seat)
        self._trim()

    def waiting(self, seat: Seat) -> list[Chunk]:
        """What a reader may take; not to be changed."""
        return self._chunks[seat.place - self._first :] if seat in self.seats else []

    def took(self, seat: Seat, chunks: int) -> None:
        """A reader has taken so many."""
        seat.place += chunks
        seat.has_read = True
        self._trim()

    def behind(self) -> list[Seat]:
        """Readers whose buffers are full."""
        least = self._end - self._buffer_max
        return [seat for seat in self.seats if max(seat.place, seat.joined_at) <= least]

    @property
    def _end(self) -> int:
        return self._first + len(self._chunks)

    def _trim(self) -> None:
        needed = min((seat.place for seat in self.seats), default=self._end)
        gone = min(needed, self._end - self._history_max) - self._first
        if gone > 0:
            del self._chunks[:gone]
            self._first += gone
