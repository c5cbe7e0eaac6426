"""What the threads of a store need of a database, whichever it is."""

import select
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from headrace.store.faults import StoreBusy, StoreFault, StoreFull, StoreLost, StoreTimeout

Result = TypeVar("Result")

# What a driver may raise for what it is given or what happens to it, besides its own errors.
DRIVER_ERRORS: Final = (SQLAlchemyError, OSError, OverflowError, ValueError)

# After these a connection is as good as before. On a full disk a new one could not be opened.
_HARMLESS: Final = (StoreBusy, StoreFull, StoreTimeout)

# What PostgreSQL announces purges on.
PURGE_CHANNEL: Final = "headrace_purges"


class Database(Protocol):
    """Opens connections and knows what its driver's errors mean. Used by several threads."""

    @property
    def name(self) -> str:
        """What it is called in messages; holds no password."""
        ...

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        ...

    @property
    def generation(self) -> int:
        """Grows whenever connections made before lead nowhere useful any more."""
        ...

    def connect(self, *, writes: bool) -> Connection:
        """Open a connection to tables of the right version, made where they are missing.

        Args:
            writes: whether each use is a transaction that may write.

        Raises:
            StoreFault: it cannot be opened, or the tables are of a newer version.
        """
        ...

    def fault_of(self, error: Exception, generation: int) -> StoreFault:
        """What an error means that a connection of a generation raised; acts on it if need be."""
        ...

    def tidy(self, connection: Connection) -> None:
        """Small upkeep, from time to time, in a transaction.

        Raises:
            StoreLost: what the connection led to is not there any more.
        """
        ...

    def await_hint(self, connection: Connection, stop_fd: int, timeout_s: float) -> None:
        """Wait until somebody may have published a purge, `stop_fd` is readable, or time is up."""
        ...


class Link:
    """One thread's connection: opened when needed, thrown away when it may be of no use any more.

    Args:
        database: where to.
        writes: whether it may write.
        retries: whether it does again, on a new connection, what an old one failed in.
    """

    def __init__(self, database: Database, *, writes: bool, retries: bool = True) -> None:
        self._database = database
        self._writes = writes
        self._retries = retries
        self._connection: Connection | None = None
        self._generation = -1

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Do some work, as one transaction where it may write; once more on a new connection.

        The work must be such that doing it twice is the same as doing it once: whether a commit
        that was cut off took effect cannot be known.

        Raises:
            StoreFault: it could not be done.
        """
        try:
            return self._attempt(work)
        except StoreLost:
            if not self._retries:
                raise
            return self._attempt(work)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.invalidate()
            connection.close()
        except DRIVER_ERRORS:
            # It was of no use any more, or the process is ending.
            return

    def _attempt(self, work: Callable[[Connection], Result]) -> Result:
        connection = self._open()
        try:
            if not self._writes:
                return work(connection)
            with connection.begin():
                return work(connection)
        except DRIVER_ERRORS as error:
            fault = self._database.fault_of(error, self._generation)
            if not isinstance(fault, _HARMLESS):
                self.close()
            raise fault from error
        except StoreFault:
            self.close()
            raise

    def _open(self) -> Connection:
        if self._connection is None or self._generation != self._database.generation:
            self.close()
            self._generation = self._database.generation
            self._connection = self._database.connect(writes=self._writes)
        return self._connection


def wait_readable(descriptors: Iterable[int], timeout_s: float) -> None:
    """Wait until one of some descriptors can be read, or time is up."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    poll.poll(timeout_s * 1000.0)
