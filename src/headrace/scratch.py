"""Folders for files of one process: gone with it, also where that was killed."""

import fcntl
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Final

# With a machine's number, and what `mkdtemp` puts behind it: what else is called so is nobody's but
# ours. Short, since paths of sockets have to be.
_PREFIX: Final = "headrace-tmp-%s-%04x-"
_RANDOM: Final = "?" * 8


class Scratch:
    """A new folder that only this user may enter, until it is removed.

    Its maker holds a lock on it, which the system lets go when the process and what it forked have
    ended, however they did: what the killed have left behind is known by that, and swept by whoever
    comes next for the same purpose on the same machine. Others, which may have the place by a
    network, do not see its locks.

    Args:
        purpose: what it is for: a word of its name.

    Attributes:
        path: of the folder.

    Raises:
        OSError: none can be made.
    """

    def __init__(self, purpose: str) -> None:
        prefix = _PREFIX % (purpose, zlib.crc32(os.fsencode(os.uname().nodename)) & 0xFFFF)
        _sweep(Path(tempfile.gettempdir()), prefix)
        self.path, self._lock = _made(prefix)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove it, and what is in it; in vain where somebody else has done it. Once."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def locked(folder: Path, *, waits: bool = False) -> int:
    """A descriptor that holds a lock on a folder until it is closed.

    Args:
        folder: which.
        waits: until another process has let go of it.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the folder is gone, is none, or is not to be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        # Whoever has let go of it may have swept it.
        folder.stat()
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _made(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        try:
            return folder, locked(folder)
        except (BlockingIOError, FileNotFoundError):
            # One that sweeps just now took it for left behind.
            continue


def _sweep(place: Path, prefix: str) -> None:
    for folder in place.glob(f"{prefix}{_RANDOM}"):
        try:
            lock = locked(folder)
        except OSError:
            continue  # its maker lives, or it is not ours
        try:
            if os.fstat(lock).st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
