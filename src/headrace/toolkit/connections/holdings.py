"""What one process holds: every connection of a pool for threads, under one lock.

The lock is held for a few steps of the interpreter; nothing that may take time is done in it.
"""

import threading
from collections.abc import Callable
from typing import Final

from headrace.toolkit.connections.address import Origin
from headrace.toolkit.connections.faults import closed, crowded
from headrace.toolkit.connections.places import Places
from headrace.toolkit.connections.stats import Tally
from headrace.toolkit.connections.sync_connection import SyncConnection
from headrace.toolkit.connections.terms import Terms

_Places = Places[SyncConnection]

# No thread of its own looks for connections that idled too long: calls do, this often.
_SWEEP_S: Final = 1.0


class Waiter:
    """A thread that waits for a place. Everything but `wait` is called under the lock."""

    __slots__ = ("_event", "connection", "is_granted", "is_refused")

    def __init__(self) -> None:
        self._event = threading.Event()
        self.connection: SyncConnection | None = None
        self.is_granted = self.is_refused = False

    def wait(self, timeout_s: float | None) -> None:
        """Until it is granted or refused, or time is up."""
        self._event.wait(timeout_s)

    def grant(self, connection: SyncConnection | None) -> bool:
        self.connection = connection
        self.is_granted = True
        self._event.set()
        return True

    def refuse(self) -> None:
        self.is_refused = True
        self._event.set()


class Holdings:
    """The connections of one process, idle and in use.

    Args:
        terms: the bounds.
        tally: what is counted, under this lock.
        now_s: the time, in seconds.
        is_closed: whether there is no use of it from the start.

    Attributes:
        is_closed: whether the pool is closed.
    """

    def __init__(
        self, terms: Terms, tally: Tally, now_s: Callable[[], float], *, is_closed: bool
    ) -> None:
        self._terms = terms
        self._tally = tally
        self._now_s = now_s
        self._lock = threading.Lock()
        self._origins: dict[Origin, _Places] = {}
        self._active: set[SyncConnection] = set()
        self._closing = threading.Event()
        self._sweep_s = 0.0
        self.is_closed = is_closed

    def lease(self, origin: Origin, wait_s: float | None) -> SyncConnection | None:
        """A kept connection, or `None` for leave to open one; its place is taken either way.

        Args:
            origin: what it has to lead to.
            wait_s: seconds to wait where all are in use.

        Raises:
            NotRunning: the pool is closed.
            Overloaded: too many wait, or none came free in time.
        """
        found = self._take(origin)
        if isinstance(found, Waiter):
            found = self._wait(origin, found, wait_s)
        if found is None or found.is_usable:
            return found
        self.discard(found)
        return None

    def adopt(self, connection: SyncConnection) -> None:
        """A connection was opened, in a place that was taken for it.

        Raises:
            NotRunning: the pool was closed meanwhile, and so is the connection.
        """
        with self._lock:
            if not self.is_closed:
                self._active.add(connection)
                self._tally.opened += 1
                return
        connection.close()
        raise closed()

    def release(self, connection: SyncConnection, *, is_kept: bool) -> None:
        """A call is over: the connection goes to the next, or is closed."""
        now_s = self._now_s()
        with self._lock:
            self._active.discard(connection)
            old = self._expire(now_s) if now_s >= self._sweep_s else []
            is_kept = is_kept and not self.is_closed
            if is_kept:
                is_kept = self._origins[connection.origin].put(connection, now_s)
            else:
                self._drop(connection.origin)
        for other in old if is_kept else [*old, connection]:
            other.close()

    def discard(self, connection: SyncConnection) -> None:
        """A connection is of no use; its place stays taken, for another."""
        with self._lock:
            self._active.discard(connection)
        connection.close()

    def drop(self, origin: Origin) -> None:
        """A place is free again, and there is no connection in it."""
        with self._lock:
            self._drop(origin)

    def count(self, *, errors: int = 0, retries: int = 0, reused: int = 0) -> None:
        """Count what happened."""
        with self._lock:
            self._tally.errors += errors
            self._tally.retries += retries
            self._tally.reused += reused

    def pause(self, delay_s: float) -> None:
        """Wait for the next attempt, or for the end of the pool.

        Raises:
            NotRunning: the pool was closed.
        """
        self.count(retries=1)
        if self._closing.wait(delay_s):
            raise closed()

    def told(self) -> list[Places[SyncConnection]]:
        """The places of every origin, to be counted."""
        with self._lock:
            return list(self._origins.values())

    def close(self) -> None:
        """Close every connection and end every call. Twice does nothing."""
        with self._lock:
            self.is_closed = True
            self._closing.set()
            idle = [each for places in self._origins.values() for each in places.idle]
            for places in self._origins.values():
                places.idle = []
                for waiter in places.waiters:
                    waiter.refuse()
            for connection in self._active:  # each is closed by the thread that uses it
                connection.wake()
        for connection in idle:
            connection.close()

    def forget(self) -> None:
        """Let go of connections that are another process's: a fork copied them. Takes no lock,
        for who held it may not be here."""
        idle = [each for places in self._origins.values() for each in places.idle]
        for connection in (*idle, *self._active):
            connection.close()

    # Under the lock.

    def _take(self, origin: Origin) -> SyncConnection | Waiter | None:
        with self._lock:
            if self.is_closed:
                raise closed()
            places = self._origins.get(origin)
            if places is None:
                places = self._origins[origin] = Places(self._terms)
            connection = places.take(self._now_s())
            if connection is not None:
                self._active.add(connection)
                return connection
            old = places.expire(self._now_s())
            self._tally.expired += len(old)
            waiter = None if places.may_open() else self._queue(origin, places)
        for connection in old:
            connection.close()
        return waiter

    def _queue(self, origin: Origin, places: _Places) -> Waiter:
        if places.is_crowded:
            raise crowded(origin, "too many calls wait for one")
        waiter = Waiter()
        places.waiters.append(waiter)
        self._tally.waits += 1
        return waiter

    def _wait(self, origin: Origin, waiter: Waiter, wait_s: float | None) -> SyncConnection | None:
        is_over = False
        try:
            waiter.wait(wait_s)
            is_over = True
        finally:
            with self._lock:
                self._origins[origin].withdraw(waiter)
                connection = waiter.connection
                if connection is not None:
                    self._active.add(connection)
            if not is_over and waiter.is_granted:  # interrupted, and just given a place
                self._pass_on(origin, connection)
        if waiter.is_granted:
            return connection
        raise closed() if waiter.is_refused else crowded(origin, "none came free in time")

    def _pass_on(self, origin: Origin, connection: SyncConnection | None) -> None:
        if connection is None:
            self.drop(origin)
        else:
            self.release(connection, is_kept=True)

    def _drop(self, origin: Origin) -> None:
        places = self._origins[origin]
        places.drop()
        if places.is_unused:
            del self._origins[origin]

    def _expire(self, now_s: float) -> list[SyncConnection]:
        self._sweep_s = now_s + _SWEEP_S
        old: list[SyncConnection] = []
        for origin, places in list(self._origins.items()):
            old += places.expire(now_s)
            if places.is_unused:
                del self._origins[origin]
        self._tally.expired += len(old)
        return old
