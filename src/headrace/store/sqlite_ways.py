"""What is known of SQLite files whoever opens them: versions, errors, and taking turns."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.store.faults import (
    StoreBusy,
    StoreFault,
    StoreFull,
    StoreLost,
    StoreRefused,
    StoreTimeout,
)

DAMAGED: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    }
)
# The first that can return what it has deleted.
_VERSION_MIN: Final = (3, 35, 0)
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def version_problem(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> str | None:
    """What is wrong with the SQLite that Python was built with, if anything."""
    if version >= _VERSION_MIN:
        return None
    found, needed = (".".join(map(str, each)) for each in (version, _VERSION_MIN))
    return f"Python here has SQLite {found}, and {needed} is needed; PostgreSQL works without"


def error_code(cause: object) -> int:
    """The extended code of an error of SQLite's."""
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code if isinstance(code, int) else sqlite3.SQLITE_ERROR


def is_damage(code: int) -> bool:
    """Whether a code says that the file is not what it was."""
    return code in DAMAGED or code & 0xFF in DAMAGED


def is_elsewhere(cause: object) -> bool:
    """Whether the file is not there any more, or another one."""
    if error_code(cause) == sqlite3.SQLITE_READONLY_DBMOVED:
        return True
    return isinstance(cause, sqlite3.OperationalError) and "no such table" in str(cause)


def fault_of(cause: object, why: str) -> StoreFault:
    """The fault that an error stands for; damage is for the caller to see to.

    Args:
        cause: what the driver raised.
        why: the message.
    """
    if is_elsewhere(cause):
        return StoreLost(why)
    match error_code(cause) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy(why)
        case sqlite3.SQLITE_FULL:
            return StoreFull(why)
        case sqlite3.SQLITE_INTERRUPT:
            return StoreTimeout(why)
        case sqlite3.SQLITE_CONSTRAINT | sqlite3.SQLITE_MISMATCH | sqlite3.SQLITE_TOOBIG:
            return StoreRefused(why)
    if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
        return StoreFull(why)
    return StoreFault(why)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep other processes from opening or moving a file meanwhile; its folder is made."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def make_private(path: Path) -> None:
    """Make a file that nobody else may read, before SQLite makes one that others may.

    One that is there is not opened: closing it would let go of all locks that this process has on
    it (fcntl(2)), and another process would then take away the log that is in use.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def inode_of(path: Path) -> int | None:
    """Which file is there."""
    try:
        return path.stat().st_ino
    except OSError:
        return None
