"""The files a video is made of, in a folder of their own; each is named by what it is made of.

A file is written under another name and renamed when it is whole. So a name that is there is
finished work, and whoever starts again after a crash goes on from there.
"""

import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from headrace.video.faults import VideoFault

# Flat scenes need a twentieth of this; moving gradients at crf 18 came close to half of it.
_BITS_PER_PIXEL: Final = 0.06
_SPARE_BYTES: Final = 16 * 1024 * 1024
_SOUND_BYTES_PER_S: Final = 48_000 * 2 * 3


class PartsFolder:
    """The folder of one video's parts.

    Args:
        path: is made when it is not there.
        free_bytes: tells how much room a path's disk has left.
    """

    def __init__(self, path: Path, free_bytes: Callable[[Path], int] | None = None) -> None:
        self.path = path.absolute()
        self._free_bytes = free_bytes or _free_bytes
        self._turns = itertools.count()

    def open(self, needed_bytes: int) -> None:
        """Make the folder, and see whether there is room.

        Raises:
            VideoFault: there is less room than the video may need.
            OSError: the folder cannot be made.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        free = self._free_bytes(self.path)
        if free < needed_bytes:
            raise VideoFault(
                "disk_full",
                f"the video may need {needed_bytes / 1e6:.0f} MB in {self.path}, and "
                f"{free / 1e6:.0f} MB are free: make room, or name another folder",
            )

    def has(self, name: str) -> bool:
        """Whether a part is finished."""
        return (self.path / name).is_file()

    def make(self, name: str, write: Callable[[str], None]) -> bool:
        """Make a part unless it is there.

        Args:
            name: of the part.
            write: writes it to the name in this folder that it is given.

        Returns:
            whether it had to be made.
        """
        if self.has(name):
            return False
        unfinished = f"unfinished-{os.getpid()}-{next(self._turns)}-{name}"
        try:
            write(unfinished)
            (self.path / unfinished).replace(self.path / name)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise VideoFault("disk_full", f"{self.path} is full: {error}") from error
            raise
        finally:
            (self.path / unfinished).unlink(missing_ok=True)
        return True

    def keep(self, data: bytes, kind: str) -> str:
        """Write data to a part named by its digest.

        Returns:
            the name.
        """
        name = f"{digest([data.hex()])}.{kind}"
        self.make(name, lambda unfinished: _write(self.path / unfinished, data))
        return name

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def digest(parts: Sequence[str]) -> str:
    """A name for what is made of some texts: the same for the same, and for nothing else."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()


def needed_bytes(width: int, height: int, fps: int, seconds: float) -> int:
    """How much room a video may need while it is made: its scenes, and all of them again."""
    pictures = width * height * fps * seconds * _BITS_PER_PIXEL / 8
    return int(2 * pictures + seconds * _SOUND_BYTES_PER_S) + _SPARE_BYTES


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free
