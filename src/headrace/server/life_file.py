"""A file that is locked as long as any process of a gateway lives.

So who starts on the same machine after a crash knows at once that the one before is gone, in place
of waiting for signs of life that do not come.
"""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_FOLDER: Final = "gateways"
_HOLDER_CHARS_MAX: Final = 64


class LifeFile:
    """Made before the first fork: processes share the lock, and the last one lets go of it.

    Where it cannot be made or locked there is none, and others have to wait.

    Args:
        folder: where data is kept.
        holder: names this gateway, in letters and digits.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        self._folder = folder / _FOLDER
        self._holder = holder
        self._fd: int | None = None
        draft = self._folder / f".{holder}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Nobody finds it before it is locked, or would take this gateway for dead.
            draft.rename(self._folder / holder)
        except OSError:
            return

    def dead(self, holders: Iterable[str]) -> set[str]:
        """Those of other gateways that had a file here, and do not live any more."""
        return {each for each in holders if each != self._holder and self._is_dead(each)}

    def remove(self) -> None:
        """This gateway ends as it should."""
        (self._folder / self._holder).unlink(missing_ok=True)

    def _is_dead(self, holder: str) -> bool:
        if not holder.isalnum() or len(holder) > _HOLDER_CHARS_MAX:  # of the store, not of ours
            return False
        path = self._folder / holder
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            path.unlink(missing_ok=True)
            return True
        finally:
            os.close(fd)
