"""A server with a knee, as pure event simulation: calls share it, or are refused by it.

Up to its capacity every call runs at full speed. Beyond, one kind of server refuses (a provider
with a limit of concurrent calls); the other takes everything in and all calls share what it can do
(processor sharing), which grows less with every call too many, as where caches are evicted and
filled again.
"""

import heapq
from math import inf

import msgspec


class ServerTerms(msgspec.Struct, frozen=True):
    """A kind of server.

    Attributes:
        refuses: whether it refuses what is beyond its capacity.
        thrash: how much of its work is lost where calls are too many: at twice its capacity it does
            `1 / (1 + thrash)` of what it can.
    """

    refuses: bool
    thrash: float = 0.0


class Job:
    """A call in the server: what it takes, in seconds at full speed.

    Args:
        number: tells jobs apart.
        first_s: until the first token.
        total_s: until the end.
    """

    __slots__ = ("first_s", "is_gone", "number", "total_s")

    def __init__(self, number: int, first_s: float, total_s: float) -> None:
        self.number = number
        self.first_s = first_s
        self.total_s = total_s
        self.is_gone = False


class SharedServer:
    """The server. Time is handed in, and never goes back.

    Args:
        terms: its kind.
        capacity: calls that it serves at full speed.

    Attributes:
        capacity: may be changed by `change`.
        running: calls in it.
    """

    def __init__(self, terms: ServerTerms, capacity: int) -> None:
        self._terms = terms
        self.capacity = capacity
        self.running = 0
        self._at_s = 0.0
        # Seconds at full speed that every call in it got since the start: a clock of its own.
        self._served_s = 0.0
        self._due: list[tuple[float, int, bool, Job]] = []

    def offer(self, job: Job, now_s: float) -> bool:
        """Send a call; says whether it was taken in."""
        if self._terms.refuses and self.running >= self.capacity:
            return False
        self._advance(now_s)
        self.running += 1
        heapq.heappush(self._due, (self._served_s + job.first_s, job.number, False, job))
        heapq.heappush(self._due, (self._served_s + job.total_s, job.number, True, job))
        return True

    def withdraw(self, job: Job, now_s: float) -> None:
        """The caller hangs up."""
        self._advance(now_s)
        job.is_gone = True
        self.running -= 1

    def change(self, capacity: int, now_s: float) -> None:
        """Serve more or fewer calls at full speed from now on."""
        self._advance(now_s)
        self.capacity = capacity

    def next_s(self) -> float:
        """When the next call has its first token or its end; infinite where nothing runs."""
        while self._due and self._due[0][3].is_gone:
            heapq.heappop(self._due)
        if not self._due:
            return inf
        return self._at_s + max(self._due[0][0] - self._served_s, 0.0) / self._speed()

    def take(self, now_s: float) -> tuple[Job, bool]:
        """What happens at `next_s`: a job, and whether it is its first token or its end."""
        self._advance(now_s)
        _, _, is_end, job = heapq.heappop(self._due)
        if is_end:
            job.is_gone = True
            self.running -= 1
        return job, not is_end

    def _advance(self, now_s: float) -> None:
        self._served_s += (now_s - self._at_s) * self._speed()
        self._at_s = now_s

    def _speed(self) -> float:
        """Seconds at full speed that each call gets in a second."""
        if self._terms.refuses or self.running <= self.capacity:
            return 1.0
        excess = self.running / self.capacity - 1
        return self.capacity / self.running / (1 + self._terms.thrash * excess)
