"""One thread's connection to a file of records. Knows sqlite3 alone, which is light."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

from headrace.clock import Clock
from headrace.store.faults import StoreBusy, StoreFault, StoreFull, StoreLost, StoreTimeout
from headrace.store.records.queries import Query
from headrace.store.records.records import BoundStep, Row, Tuples, Values
from headrace.store.records.steps import Tell, migration
from headrace.store.sqlite_ways import (
    error_code,
    exclusive,
    fault_of,
    is_damage,
    make_private,
)

Result = TypeVar("Result")

_DIALECT: Final = "sqlite"
_CACHE_KIB: Final = 8192
_LOG_BYTES_MAX: Final = 64 * 1024 * 1024
_STATEMENTS: Final = 256
# So many steps of SQLite's machine between two looks at the clock: less than a millisecond.
_LOOK_EVERY: Final = 20_000
_PRAGMAS: Final = (
    "journal_mode = WAL",
    # What is told to be written is written, power cut or not.
    "synchronous = FULL",
    "foreign_keys = ON",
    "cell_size_check = ON",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
    # A file that shrinks under a mapping kills the process.
    "mmap_size = 0",
    f"cache_size = -{_CACHE_KIB}",
    f"journal_size_limit = {_LOG_BYTES_MAX}",
)
# What a driver may raise for what it is given or what happens to it.
_ERRORS: Final = (sqlite3.Error, sqlite3.Warning, OSError, OverflowError, ValueError)
# After these a connection is as good as before.
_HARMLESS: Final = (StoreBusy, StoreFull, StoreTimeout)


class RecordFile:
    """A file of records, made with its tables where it is missing; shared by threads.

    A damaged one stays where it is, since what it holds is nowhere else: every use fails.

    Args:
        path: of the file.
        busy_timeout_s: how long one process waits for the writes of another.
    """

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self.name = str(path)
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()  # one thread at a time opens it

    def open(self, *, writes: bool, tell: Tell | None = None) -> sqlite3.Connection:
        """A connection to tables of the newest version; `tell` is told of each step to there."""
        with self._lock, exclusive(self._path):
            make_private(self._path)
            connection = self._connect()
            with ExitStack() as stack:
                stack.callback(connection.close)
                for pragma in _PRAGMAS:
                    connection.execute(f"PRAGMA {pragma}").fetchall()
                migrate(connection, self.name, tell=tell)
                if not writes:
                    connection.execute("PRAGMA query_only = ON")
                stack.pop_all()
        return connection

    def fault_of(self, error: object) -> StoreFault:
        """What an error means."""
        why = f"The store {self.name} failed: {error}"
        if is_damage(error_code(error)):
            return StoreFault(f"{why}; put a copy in its place, or mend it with sqlite3 .recover")
        return fault_of(error, why)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path,
            timeout=self._busy_timeout_s,
            isolation_level=None,  # the driver begins no transactions of its own
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )


class Deadline:
    """When a statement has taken too long.

    Args:
        clock: the time.
        limit_s: how long one may take.
    """

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._end_s = 0.0

    def begin(self) -> None:
        """A statement begins now."""
        self._end_s = self._clock.monotonic_s() + self._limit_s

    def is_over(self) -> bool:
        """Whether it is to be given up."""
        return self._clock.monotonic_s() > self._end_s


class RecordLink:
    """One thread's connection: opened when needed, thrown away when it may be of no use any more.

    Args:
        file: where to.
        writes: whether it may write.
        deadline: of each read; none for writes, since giving one up would undo all of its commit.
    """

    def __init__(self, file: RecordFile, *, writes: bool, deadline: Deadline | None = None) -> None:
        self._file = file
        self._writes = writes
        self._deadline = deadline
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open it where it is not.

        Raises:
            StoreFault: it cannot be opened.
        """
        self._attempt(lambda _: None)

    def fetch(self, query: Query, values: Values) -> list[Row]:
        """The rows of a query."""
        return self._twice(lambda connection: _run(connection, query, values))

    def write_all(
        self, groups: Sequence[Sequence[BoundStep]]
    ) -> list[list[list[Row]] | StoreFault]:
        """Run groups of statements, each whole or not at all, and commit them together.

        Returns:
            The rows of each group's steps, or why it failed.

        Raises:
            StoreFault: nothing of all of them was written.
        """

        def work(connection: sqlite3.Connection) -> list[list[list[Row]] | StoreFault]:
            # At once: a lock that is taken later may be refused without any waiting.
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._group(connection, steps) for steps in groups]
            connection.execute("COMMIT")
            return outcomes

        return self._twice(work)

    def _group(
        self, connection: sqlite3.Connection, steps: Sequence[BoundStep]
    ) -> list[list[Row]] | StoreFault:
        connection.execute("SAVEPOINT one")
        try:
            rows = [_run(connection, step.query, step.values) for step in steps]
        except _ERRORS as error:
            fault = self._file.fault_of(error)
            if not connection.in_transaction or isinstance(fault, StoreLost):
                raise  # it was all undone, or will be
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            return fault
        connection.execute("RELEASE one")
        return rows

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _twice(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return self._attempt(work)
        except StoreLost:
            return self._attempt(work)

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            if self._connection is None:
                self._connection = self._file.open(writes=self._writes)
                if self._deadline is not None:
                    self._connection.set_progress_handler(self._deadline.is_over, _LOOK_EVERY)
            if self._deadline is not None:
                self._deadline.begin()
            return work(self._connection)
        except _ERRORS as error:
            fault = self._file.fault_of(error)
            if not isinstance(fault, _HARMLESS) or not self._rolled_back():
                self.close()
            raise fault from error
        except StoreFault:
            self.close()
            raise

    def _rolled_back(self) -> bool:
        """Undo what was begun; whether the connection is as good as before."""
        if self._connection is None or not self._connection.in_transaction:
            return True
        try:
            self._connection.execute("ROLLBACK")
        except _ERRORS:
            return False
        return True


def migrate(
    connection: sqlite3.Connection, name: str, upto: int | None = None, tell: Tell | None = None
) -> int:
    """Bring the tables of a file to a version; returns the one they had."""
    steps = migration(_DIALECT, name, upto, tell)
    try:
        statement = next(steps)
        while True:
            statement = steps.send(connection.execute(statement).fetchall())
    except StopIteration as end:
        found: int = end.value
        return found
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _run(
    connection: sqlite3.Connection, query: Query, values: Values | Sequence[Values] | Tuples
) -> list[Row]:
    if isinstance(values, Sequence):
        connection.executemany(query.copy.text if query.copy else query.text, values)
        return []
    cursor = connection.execute(query.text, dict(values))
    if cursor.description is None:
        return []
    names = tuple(column[0] for column in cursor.description)
    return [dict(zip(names, row, strict=True)) for row in cursor]
