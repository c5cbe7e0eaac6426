"""Files on the disk by their ids; no name that a caller gave becomes a path. Blocks."""

import errno
import fcntl
import os
import re
import secrets
from pathlib import Path
from typing import Final

from headrace.errors import HeadraceError, NotFound, Overloaded

_FOLDER: Final = "files"
_PLACE: Final = "place"
_INCOMING: Final = ".part"
_ID: Final = re.compile(r"file_[0-9a-z]{26}")
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class Shelf:
    """Where the files of one data directory are.

    Args:
        data_dir: the directory.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / _FOLDER

    @property
    def is_used(self) -> bool:
        """Whether there has ever been a file."""
        return (self.folder / _PLACE).exists()

    def place(self) -> str:
        """The name of this directory, made up by whoever comes first.

        Raises:
            OSError: the directory cannot be written to.
        """
        path = self.folder / _PLACE
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            made = self.folder / f"{_PLACE}.{secrets.token_hex(8)}"
            try:
                made.write_text(secrets.token_hex(16), "ascii")
                os.link(made, path)  # whole, and only once
            except FileExistsError:
                pass
            finally:
                made.unlink(missing_ok=True)
        return path.read_text("ascii")

    def path(self, file_id: str) -> Path:
        """Where a file is.

        Raises:
            NotFound: this is no id of a file.
        """
        if not _ID.fullmatch(file_id):
            raise no_file(file_id)
        return self.folder / file_id

    def incoming(self, file_id: str) -> Path:
        """Where a file is while it comes."""
        return self.path(file_id).with_suffix(_INCOMING)

    def remove(self, file_id: str) -> None:
        """Delete a file, if it is there."""
        self.path(file_id).unlink(missing_ok=True)

    def ids(self, first: str, before_s: float) -> list[str]:
        """Of files that are there whole, or grow as results of a batch; in order.

        Args:
            first: the first id that is wanted.
            before_s: only those that were not written to since then.
        """
        return sorted(
            path.name
            for path in self.folder.iterdir()
            if _ID.fullmatch(path.name) and path.name >= first and _is_older(path, before_s)
        )

    def claim(self, file_id: str) -> int | None:
        """Keep a file from everybody who would write to it, or take it in.

        Returns:
            A descriptor, which holds it until it is closed; `None` where another process holds the
            file, or it is gone.

        Raises:
            OSError: it cannot be held.
        """
        try:  # to write: network file systems hold no other file against all
            fd = os.open(self.path(file_id), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        return fd

    def sweep(self, before_s: float) -> None:
        """Delete files that never came whole and were not written to since `before_s`."""
        for path in self.folder.glob(f"*{_INCOMING}"):
            if _is_older(path, before_s):
                path.unlink(missing_ok=True)


def _is_older(path: Path, moment_s: float) -> bool:
    try:
        return path.stat().st_mtime < moment_s
    except FileNotFoundError:
        return False


def no_file(file_id: str) -> NotFound:
    """The refusal of a file that is not there, or another tenant's."""
    return NotFound(f"No file '{file_id[:64]}'.", code="file_not_found", param="file_id")


def disk_error(error: OSError) -> HeadraceError:
    """What a caller is told where the disk fails."""
    if error.errno in _FULL:
        return Overloaded(
            "The disk of this gateway is full: delete files, or try again later.",
            code="disk_full",
            retry_after_s=60,
        )
    return HeadraceError(f"The gateway cannot use its data directory: {error.strerror}.")
