"""The files that jobs leave behind, by name."""

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from headrace.errors import NotFound

_LISTED_MAX: Final = 1000


class ResultFile(msgspec.Struct, frozen=True):
    """A file of a job."""

    name: str
    bytes: int


def list_files(folder: Path, job_id: str) -> list[ResultFile]:
    """The files of a job, by name; `folder` holds a folder for each job."""
    try:
        entries = list(os.scandir(folder / job_id / "files"))
    except OSError:
        return []
    files = [
        ResultFile(entry.name, entry.stat(follow_symlinks=False).st_size)
        for entry in entries
        if entry.is_file(follow_symlinks=False)
    ]
    return sorted(files, key=lambda file: file.name)[:_LISTED_MAX]


def find_file(folder: Path, job_id: str, name: str) -> Path:
    """A file of a job.

    Raises:
        NotFound: the job has none with this name; a name leads nowhere else.
    """
    unknown = NotFound(f"Job '{job_id}' has no file '{name[:100]}'.", code="unknown_file")
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise unknown
    path = folder / job_id / "files" / name
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):
        raise unknown from None
    if not stat.S_ISREG(mode):
        raise unknown
    return path
