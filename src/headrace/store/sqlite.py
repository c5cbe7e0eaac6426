"""SQLite: one file that several processes share, in write-ahead mode."""

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from headrace.store.database import DRIVER_ERRORS, wait_readable
from headrace.store.faults import StoreCorrupt, StoreFault, StoreLost
from headrace.store.migrations import migrate
from headrace.store.sqlite_ways import (
    error_code,
    exclusive,
    fault_of,
    inode_of,
    is_damage,
    is_elsewhere,
    make_private,
)
from headrace.store.voice import Voice

# Pages are read into the cache of the process: above it are the kernel's own.
_CACHE_KIB: Final = 4096
# The log shrinks to this after a burst.
_LOG_BYTES_MAX: Final = 64 * 1024 * 1024
# Free pages are given back once they are this share of the file, this many at a time.
_FREE_SHARE_MAX: Final = 0.25
_FREED_PAGES_MAX: Final = 1024

_PRAGMAS: Final = (
    "journal_mode = WAL",
    # A power cut may lose the last commits, never the file; a killed process loses nothing.
    "synchronous = NORMAL",
    "foreign_keys = ON",
    "cell_size_check = ON",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
    # A file that shrinks under a mapping kills the process, and mapping saves 3 us a read.
    "mmap_size = 0",
    f"cache_size = -{_CACHE_KIB}",
    f"journal_size_limit = {_LOG_BYTES_MAX}",
)
_ASIDE: Final = ".damaged"
# The log and its index go first: a new file must never find the log of an old one.
_PARTS: Final = ("-wal", "-shm", "")


class SqliteDatabase:
    """One file. Whoever finds it damaged moves it aside, and everybody goes on with a new one.

    Args:
        path: of the file; its folder is made where it is missing.
        busy_timeout_s: how long one process waits for the writes of another.
        voice: tells when a file was moved aside.
    """

    dialect = "sqlite"

    def __init__(self, path: Path, busy_timeout_s: float, voice: Voice) -> None:
        self.name = str(path)
        self.generation = 0
        self._path = path
        self._voice = voice
        self._busy_timeout_s = busy_timeout_s
        self._reads = self._make_engine(writes=False)
        self._writes = self._make_engine(writes=True)
        # Guards everything below, and that one thread at a time opens or moves the file.
        self._lock = threading.RLock()
        self._inode: int | None = None
        self._is_ready = False

    def connect(self, *, writes: bool) -> Connection:
        """Open the file, made with its tables where it is missing.

        Raises:
            StoreFault: it cannot be opened, or its tables are of a newer version.
        """
        with self._lock:
            generation = self.generation
            try:
                with exclusive(self._path):
                    self._make_ready()
                    return (self._writes if writes else self._reads).connect()
            except DRIVER_ERRORS as error:
                raise self.fault_of(error, generation) from error

    def fault_of(self, error: Exception, generation: int) -> StoreFault:
        """What an error means. A damaged file is moved aside at once."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        why = f"The store {self.name} failed: {cause}"
        if is_damage(error_code(cause)):
            self._move_aside(generation, str(cause))
            return StoreCorrupt(why)
        if is_elsewhere(cause):
            self._renew(generation)
        return fault_of(cause, why)

    def tidy(self, connection: Connection) -> None:
        """Give back a part of the free pages where there are many; see that the file is there.

        Raises:
            StoreLost: the file is not there any more, or another one.
        """
        if inode_of(self._path) != self._inode:
            self._renew(self.generation)
            raise StoreLost(f"The store {self.name} was removed or replaced")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        if free > pages * _FREE_SHARE_MAX:
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        # It gives a row without columns for each page, which only a script goes through. What the
        # transaction did so far is committed by it: nothing.
        driver = connection.connection.driver_connection
        try:
            if isinstance(driver, sqlite3.Connection):
                driver.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES_MAX})")
        except sqlite3.Error as error:
            raise self.fault_of(error, self.generation) from error

    def await_hint(self, connection: Connection, stop_fd: int, timeout_s: float) -> None:  # noqa: ARG002
        """Wait for `stop_fd` or until time is up: a file gives no hints."""
        wait_readable((stop_fd,), timeout_s)

    def _make_engine(self, *, writes: bool) -> Engine:
        engine = create_engine(
            "sqlite://",
            creator=self._open_file,
            # Each thread keeps its connection, so there is nothing to pool.
            poolclass=NullPool,
            hide_parameters=True,
        )
        mode = "query_only = OFF" if writes else "query_only = ON"

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            if connection.execute("PRAGMA page_count").fetchone() == (0,):
                # Before there are tables; decides that free pages can be given back.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            for pragma in (*_PRAGMAS, mode):
                connection.execute(f"PRAGMA {pragma}").fetchall()

        if writes:

            @event.listens_for(engine, "begin")
            def begin(connection: Connection) -> None:
                # At once: a lock that is taken later may be refused without any waiting.
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _open_file(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path,
            timeout=self._busy_timeout_s,
            # The driver begins no transactions of its own.
            isolation_level=None,
            check_same_thread=False,
        )

    def _make_ready(self) -> None:
        """Make the file and its tables, once in each generation."""
        if self._is_ready:
            return
        # Made before SQLite makes it: answers are nobody else's business, nor is their log.
        make_private(self._path)
        self._inode = inode_of(self._path)
        with self._writes.connect() as connection, connection.begin():
            migrate(connection, self.name)
        self._is_ready = True

    def _renew(self, generation: int) -> None:
        """Have every thread open the file anew, unless that happened meanwhile."""
        with self._lock:
            if generation == self.generation:
                self.generation += 1
                self._is_ready = False

    def _move_aside(self, generation: int, why: str) -> None:
        """Put a damaged file away, unless somebody else did, in this process or another."""
        with self._lock:
            if generation != self.generation:
                return
            self._renew(generation)
            try:
                with exclusive(self._path):
                    if inode_of(self._path) != self._inode:
                        return
                    for part in _PARTS:
                        with suppress(FileNotFoundError):
                            Path(f"{self._path}{part}").replace(f"{self._path}{_ASIDE}{part}")
            except OSError as error:
                self._voice.say("error", "store_damaged", self.name, f"{why}; stays: {error}")
                return
        aside = f"{self.name}{_ASIDE}"
        self._voice.say("error", "store_damaged", self.name, f"{why}; moved to {aside}")
