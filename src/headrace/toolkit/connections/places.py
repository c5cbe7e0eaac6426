"""The places of one origin: who has which connection. Pure; one owner at a time may call.

A connection is taken or idle; a place may also be taken by one that is being opened. The most
recently used idle connection goes out first, so that the rest can expire. Who waits is served in
the order of coming: by a connection that comes back, or by leave to open one.
"""

from collections import deque
from typing import Generic, Protocol, TypeVar

from headrace.limits import POOL_WAITERS_MAX
from headrace.toolkit.connections.terms import Terms


class Kept(Protocol):
    """A connection, as far as its place goes."""

    idle_since_s: float


Connection = TypeVar("Connection", bound=Kept)
Handed_contra = TypeVar("Handed_contra", contravariant=True)


class Waiter(Protocol[Handed_contra]):
    """Who waits for a place."""

    def grant(self, connection: Handed_contra | None) -> bool:
        """Take the connection, or with `None` leave to open one; false says: not any more."""
        ...

    def refuse(self) -> None:
        """There will be no connection: the pool is closed."""
        ...


class Places(Generic[Connection]):
    """At most `pool_size` connections to one origin, at most `max_keepalive` of them idle.

    Args:
        terms: the bounds.

    Attributes:
        idle: connections that nobody uses, the most recently used last.
        taken: connections in use or being opened.
        waiters: who waits, in the order of coming.
    """

    __slots__ = ("_keepalive_s", "_max_keepalive", "_size", "idle", "taken", "waiters")

    def __init__(self, terms: Terms) -> None:
        self._size = terms.pool_size
        self._max_keepalive = terms.max_keepalive
        self._keepalive_s = terms.keepalive_s
        self.idle: list[Connection] = []
        self.taken = 0
        self.waiters: deque[Waiter[Connection]] = deque()

    @property
    def is_unused(self) -> bool:
        """Whether nothing is here."""
        return not (self.taken or self.idle or self.waiters)

    @property
    def is_crowded(self) -> bool:
        """Whether nobody more may wait."""
        return len(self.waiters) >= POOL_WAITERS_MAX

    def take(self, now_s: float) -> Connection | None:
        """The idle connection that was used last, unless all have expired."""
        idle = self.idle
        if idle and idle[-1].idle_since_s + self._keepalive_s > now_s:
            self.taken += 1
            return idle.pop()
        return None

    def may_open(self) -> bool:
        """Whether there is room for one more connection; if so, its place is taken."""
        if self.taken + len(self.idle) < self._size and not self.waiters:
            self.taken += 1
            return True
        return False

    def put(self, connection: Connection, now_s: float) -> bool:
        """Give a connection back; false says that it has to be closed."""
        while self.waiters:
            if self.waiters.popleft().grant(connection):
                return True
        self.taken -= 1
        if len(self.idle) >= self._max_keepalive:
            return False
        connection.idle_since_s = now_s
        self.idle.append(connection)
        return True

    def drop(self) -> None:
        """A taken connection is gone, or was not opened: the first who waits may open one."""
        while self.waiters:
            if self.waiters.popleft().grant(None):
                return
        self.taken -= 1

    def expire(self, now_s: float) -> list[Connection]:
        """Connections that idled too long and have to be closed; they have left."""
        oldest_s = now_s - self._keepalive_s
        count = 0
        for connection in self.idle:
            if connection.idle_since_s > oldest_s:
                break
            count += 1
        expired = self.idle[:count]
        del self.idle[:count]
        return expired

    def withdraw(self, waiter: Waiter[Connection]) -> None:
        """Somebody waits no longer."""
        if waiter in self.waiters:
            self.waiters.remove(waiter)
