"""Rows that the database does not take: kept beside the journal, told of, and tried again."""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from headrace.store.journal.frames import frame, read_frames
from headrace.store.journal.segment import NEW_SUFFIX, START, create_segment

LEDGER_FOLDER: Final = "ledger"
"""Where journals are, in the directory of data."""

REFUSED_BYTES_MAX: Final = 16 << 20
"""Of all refused rows in a folder."""

_REFUSED: Final = ".refused"
# Taken to be tried again: nobody adds to it any more.
_RETRIED: Final = ".retried"
_UNREADABLE: Final = ".unreadable"


class Aside(NamedTuple):
    """What of a journal is not in the store, and will not be by itself.

    Attributes:
        rows: that the database refused.
        bytes: of those.
        unreadable: files that are no journals any more.
    """

    rows: int
    bytes: int
    unreadable: int


def put_aside(segment: Path, records: Sequence[bytes]) -> bool:
    """Keep what the database refuses beside the segment that it stood in.

    Args:
        segment: the file.
        records: as they stood there.

    Returns:
        Whether there was room.

    Raises:
        OSError: it cannot be written.
    """
    frames = b"".join(map(frame, records))
    if _bytes_in(segment.parent) + len(frames) > REFUSED_BYTES_MAX:
        return False
    path = segment.with_suffix(_REFUSED)
    is_there = False
    while not is_there:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Else it was taken to be tried again a moment ago.
            is_there = path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
            if is_there and not _ends_with(file.fileno(), frames):
                file.write(frames)
    return True


def look_aside(folder: Path) -> Aside:
    """What was put aside in a folder, if there is one."""
    rows = size = 0
    for path in _refused(folder):
        with suppress(FileNotFoundError):
            data = path.read_bytes()
            rows += len(_records(data))
            size += len(data)
    return Aside(rows, size, len(list(folder.glob(f"*{_UNREADABLE}"))))


def retry(folder: Path) -> int:
    """Put refused rows back into the journal, where whoever brings rows to the store finds them.

    Args:
        folder: of the journal.

    Returns:
        How many they are.

    Raises:
        OSError: there is no room, or no leave.
    """
    rows = 0
    for path in _refused(folder):
        taken = path.with_suffix(_RETRIED)
        if path != taken:
            path.rename(taken)
        with taken.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            data = file.read()
        # The same rows make the same segment, of which the store knows how far it was taken.
        name = blake2b(path.stem.encode() + data, digest_size=16).digest()
        # Of who died at this before; the lock on what was taken says that nobody else is.
        (folder / (name.hex() + NEW_SUFFIX)).unlink(missing_ok=True)
        segment = create_segment(folder, name, START + len(data))
        segment.memory[START:] = data
        segment.close(START + len(data))
        taken.unlink()
        rows += len(_records(data))
    return rows


def _refused(folder: Path) -> list[Path]:
    """What was cut off while it was taken comes first."""
    return [path for end in (_RETRIED, _REFUSED) for path in sorted(folder.glob(f"*{end}"))]


def _bytes_in(folder: Path) -> int:
    held = 0
    for path in _refused(folder):
        with suppress(FileNotFoundError):
            held += path.stat().st_size
    return held


def _records(data: bytes) -> list[bytes]:
    return read_frames(data, len(data) + 1, is_last=True, passes_damage=True).records


def _ends_with(descriptor: int, frames: bytes) -> bool:
    """Whether the same was put aside last, by who died before it could say so."""
    start = os.fstat(descriptor).st_size - len(frames)
    return start >= 0 and os.pread(descriptor, len(frames), start) == frames
