"""A place for files where writing them through to a disk takes no time."""

import os
import shutil
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108
_FREE_BYTES_MIN: Final = 8 << 30


def memory_folder() -> Path | None:
    """A file system in memory that has room for all that tests keep; `None` where none has."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _FREE_BYTES_MIN:
        return None
    return _MEMORY
