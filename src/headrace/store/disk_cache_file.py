"""The SQLite file of a `SimpleCache`: how it is opened, by whom, and what its errors mean.

A damaged file is moved aside, and an empty one is begun. Every process that uses the file hears
of it, and opens the new one. A process that was forked opens the file again.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Final, Protocol

import msgspec

from headrace.store.faults import (
    SchemaTooNew,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreFault,
    StoreFull,
)

PAGE_BYTES: Final = 4096
BUSY_S: Final = 5.0
VERSION: Final = 1
APPLICATION: Final = 0x48445243
# The write-ahead log goes back into the file at this size, 8 MiB.
LOG_PAGES: Final = 2048
PAGE_CACHE_KIB: Final = 8192

_DAMAGED: Final = "it is damaged"

_FAULTS: Final[tuple[tuple[int, type[StoreFault], str], ...]] = (
    (sqlite3.SQLITE_FULL, StoreFull, "the disk is full"),
    (sqlite3.SQLITE_BUSY, StoreBusy, f"another process kept it for {BUSY_S:g} s"),
    (sqlite3.SQLITE_LOCKED, StoreBusy, "another connection keeps it"),
    (sqlite3.SQLITE_CORRUPT, StoreCorrupt, _DAMAGED),
    (sqlite3.SQLITE_NOTADB, StoreCorrupt, "it is not a database"),
    (sqlite3.SQLITE_READONLY, StoreFault, "it cannot be written"),
    (sqlite3.SQLITE_CANTOPEN, StoreFault, "it cannot be opened"),
)

_TABLE: Final = """
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, hash INTEGER NOT NULL, digest BLOB NOT NULL,
    kind INTEGER NOT NULL, stored_s REAL NOT NULL, ttl_s REAL NOT NULL, crc INTEGER NOT NULL,
    value BLOB NOT NULL
)"""
_INDEX: Final = "CREATE UNIQUE INDEX entry_by_key ON entry (scope, hash)"
_SCHEMA: Final = (
    _TABLE,
    _INDEX,
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
_TOLD_SCHEMA: Final = "SELECT sql FROM sqlite_master ORDER BY rowid"
_SCHEMA_AS_TOLD: Final = ((_TABLE.strip().encode(),), (_INDEX.encode(),))
_PRAGMAS: Final = (
    f"page_size = {PAGE_BYTES}",
    "journal_mode = WAL",
    # Processes may be killed at any time. A power cut may cost the cache, never give wrong values:
    # what is damaged is moved aside, and each value has a checksum.
    "synchronous = OFF",
    f"wal_autocheckpoint = {LOG_PAGES}",
    f"journal_size_limit = {LOG_PAGES * PAGE_BYTES}",
    f"cache_size = -{PAGE_CACHE_KIB}",
)


class Address(msgspec.Struct, frozen=True, gc=False):
    """Where a key is found.

    Attributes:
        scope: whose keys these are; 0 for the caller's own.
        hash: of the key, 64 bits.
        digest: the rest of it, which tells keys of one hash apart.
    """

    scope: int
    hash: int
    digest: bytes


class Announcer(Protocol):
    """What the processes that use one file tell each other."""

    @property
    def book(self) -> int:
        """Counts the files that were begun anew under the same name."""
        ...

    def opening(self) -> AbstractContextManager[None]:
        """Only one process at a time opens the file, or moves it aside."""
        ...

    def settle(self) -> None:
        """Whatever was begun has ended; nobody writes now."""
        ...

    def begin(self, address: Address | None) -> Any:
        """A key changes, or all: until `end`, nobody may trust what was read of it."""
        ...

    def end(self, begun: Any) -> None:
        """The change was made, or was not; `begun` is what `begin` gave."""
        ...

    def begin_book(self) -> None:
        """The file was moved aside: everybody has to open the new one."""
        ...


class CacheFile:
    """The file, open. Thread-safe.

    Args:
        path: where it is; made where it is missing, for its owner alone.
        pages_max: bound on its size; its log comes on top.
        announcer: what other processes are told, and tell.

    Attributes:
        lock: held while the connection is used; a use may hold another.

    Raises:
        SchemaTooNew: a newer version made it.
        StoreFault: it cannot be opened, or belongs to another program.
    """

    def __init__(self, path: Path, pages_max: int, announcer: Announcer) -> None:
        self._path = path
        self._pages_max = pages_max
        self._announcer = announcer
        self._left_to_parent: list[sqlite3.Connection] = []
        self._is_closed = False
        self.lock = RLock()
        self._connection = self._open()

    def __enter__(self) -> sqlite3.Connection:
        """The connection for one use, opened again where it leads nowhere any more.

        What goes wrong until the use ends is told as a fault.

        Raises:
            StoreClosed: the file was closed.
            StoreCorrupt: it was damaged, and has been moved aside: the next use may succeed.
            StoreFault: anything else.
        """
        with self.lock:
            if self._is_closed:
                raise StoreClosed(f"The cache {self._path} is closed: make another one.")
            if self._process != os.getpid():
                # Closing what the parent still uses would take its locks away.
                self._left_to_parent.append(self._connection)
                self._connection = self._open()
            elif self._book != self._announcer.book:
                self._connection.close()
                self._connection = self._open()
            self.lock.acquire()  # until the use ends
            return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.lock.release()
            return
        try:
            fault = _fault(self._path, error)
            if isinstance(fault, StoreCorrupt):
                self._begin_anew(self._book)
        finally:
            self.lock.release()
        if fault is not None:
            raise fault from error

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        with self.lock:
            self._is_closed = True
            if self._process == os.getpid():
                self._connection.close()

    def _open(self) -> sqlite3.Connection:
        with self._announcer.opening():
            try:
                connection = self._connect()
            except StoreCorrupt:
                self._move_aside()
                connection = self._connect()
            self._book = self._announcer.book
            self._process = os.getpid()
            return connection

    def _connect(self) -> sqlite3.Connection:
        with _as_faults(self._path), ExitStack() as stack:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Never opened where it exists: closing it would take away this process's locks on it.
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            db = sqlite3.connect(
                self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            db.text_factory = bytes  # there is none but what damage makes of a value
            stack.callback(db.close)
            self._prepare(db)
            stack.pop_all()
            return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = number(db, "PRAGMA user_version")
        if number(db, "PRAGMA application_id") != APPLICATION:
            if version or number(db, "SELECT count(*) FROM sqlite_master"):
                raise StoreFault(f"{self._path} belongs to another program: choose another path.")
        elif version > VERSION:
            raise SchemaTooNew(f"{self._path} was made by a newer version of Headrace.")
        elif version < VERSION or tuple(db.execute(_TOLD_SCHEMA)) != _SCHEMA_AS_TOLD:
            raise StoreCorrupt(f"The cache {self._path} could not be used: {_DAMAGED}.")
        for pragma in (*_PRAGMAS, f"max_page_count = {self._pages_max}"):
            db.execute(f"PRAGMA {pragma}")
        with db:
            db.execute("BEGIN IMMEDIATE")
            if not version:
                for statement in _SCHEMA:
                    db.execute(statement)
            self._announcer.settle()

    def _move_aside(self) -> None:
        """Give the damaged file another name, over an earlier one, and its log too."""
        aside = self._path.with_name(f"{self._path.name}.corrupt")
        with _as_faults(self._path):
            for ending in ("", "-wal"):
                file = self._path.with_name(self._path.name + ending)
                with suppress(FileNotFoundError):
                    file.replace(aside.with_name(aside.name + ending))
            self._path.with_name(f"{self._path.name}-shm").unlink(missing_ok=True)
        self._announcer.begin_book()

    def _begin_anew(self, damaged: int) -> None:
        """Move the file aside, unless another process or thread has by now."""
        with self._announcer.opening():
            if self._announcer.book == damaged:
                self._connection.close()
                self._move_aside()


def number(db: sqlite3.Connection, query: str, *values: object) -> int:
    """The one number that a query gives."""
    return int(db.execute(query, values).fetchone()[0])


def _fault(path: Path, error: BaseException) -> StoreFault | None:
    """What an error of SQLite or of the system means; `None` for any other."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        for known, kind, why in _FAULTS:
            if code == known:
                return kind(f"The cache {path} could not be used: {why}.")
        return StoreFault(f"The cache {path} could not be used: {error}.")
    if isinstance(error, UnicodeDecodeError):  # in a message about a schema that is damaged
        return StoreCorrupt(f"The cache {path} could not be used: {_DAMAGED}.")
    if isinstance(error, OSError):
        kind = StoreFull if error.errno == errno.ENOSPC else StoreFault
        return kind(f"The cache {path} could not be used: {error.strerror}.")
    return None


@contextmanager
def _as_faults(path: Path) -> Iterator[None]:
    """Tell errors of SQLite and of the system as faults of the store."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise _fault(path, error) or error from error
