"""Folders for what trials keep on disk: gone with whoever made them, also where that was killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PREFIX: Final = "headrace-bench-files-"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for files, as long as the context is open.

    Its maker holds a lock on it, which the system lets go however the process ends: what the killed
    have left behind is known by that, and swept by whoever comes next.

    Raises:
        OSError: none can be made.
    """
    _sweep(Path(tempfile.gettempdir()))
    folder, lock = _made()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


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


def _made() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            return folder, locked(folder)
        except (BlockingIOError, FileNotFoundError):
            # One that sweeps just now took it for left behind.
            continue


def _sweep(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            lock = locked(folder)
        except OSError:
            continue  # its maker lives, or it is not ours
        try:
            if os.fstat(lock).st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
