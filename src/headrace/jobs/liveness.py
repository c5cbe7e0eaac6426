"""Who lives: a worker holds a lock while its process lives, and shows life in the store.

No wall clock is asked: a worker is dead once its lock is free, where its file can be seen from
here, or once its count of beats has stood still for a lease by the clock of whoever looks.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from headrace.jobs.shift import Fellow


class LifeLock:
    """A lock on a file that a process holds while it lives; the kernel lets go of it.

    Args:
        folder: of the locks of all workers that share this data directory.
        worker: whose lock it is.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / worker
        self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let go of it, and remove the file."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a file that is there."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


class Watch:
    """Finds out who is dead.

    Args:
        folder: of the locks.
        lease_s: how long beats may stand still.
        itself: the worker that looks.
    """

    def __init__(self, folder: Path, lease_s: float, itself: str) -> None:
        self._folder = folder
        self._lease_s = lease_s
        self._itself = itself
        self._seen: dict[str, tuple[int, float]] = {}

    def dead(self, fellows: Iterable[Fellow], now_s: float) -> list[Fellow]:
        """Those that are dead.

        Args:
            fellows: all that are known.
            now_s: monotonic.
        """
        found = []
        seen: dict[str, tuple[int, float]] = {}
        for each in fellows:
            if each.id == self._itself:
                continue
            beats, since_s = self._seen.get(each.id, (each.beats, now_s))
            if beats != each.beats:
                since_s = now_s
            seen[each.id] = each.beats, since_s
            is_still = now_s - since_s > self._lease_s
            if each.beats < 0 or is_still or is_free(self._folder / each.id):
                found.append(each)
        self._seen = seen
        return found

    def clear(self, dead: Iterable[Fellow]) -> None:
        """Remove what the dead have left."""
        for each in dead:
            path = self._folder / each.id
            if is_free(path):
                path.unlink(missing_ok=True)
