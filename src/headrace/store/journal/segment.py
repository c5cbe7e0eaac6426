"""One file of a journal.

It is as long as it will get from the beginning, its blocks are there, and it is written through
memory: to append is to copy, without a system call, and what was copied is there after the process
was killed, for the pages belong to the system. It takes a power cut to lose what the system has not
written yet. Whoever writes a segment holds a lock on it; without one it is finished.
"""

import fcntl
import os
import struct
from contextlib import ExitStack
from mmap import mmap
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from headrace.store.journal.frames import FRAME_BYTES_MAX, MARK, Portion, read_frames

SUFFIX: Final = ".journal"
NEW_SUFFIX: Final = ".new"
START: Final = 64
_HEAD: Final = struct.Struct("<8sI16s")
_MAGIC: Final = b"HRjrnl\r\n"  # a copy that was taken for text shows it
_VERSION: Final = 1
# Longer than most records; one that is longer is read by itself.
_READ_BYTES: Final = 64 << 10


class NotASegment(Exception):
    """A file is no segment of a journal, or one of another version; the message says which."""


class Segment(NamedTuple):
    """A new segment, to be written.

    Attributes:
        path: of the file.
        descriptor: holds the lock, until it is closed.
        memory: the file; records go behind `START`.
    """

    path: Path
    descriptor: int
    memory: mmap

    def close(self, end: int) -> None:
        """Finish it: what was not written is given back.

        Args:
            end: of the last record.
        """
        self.memory.close()
        try:
            os.ftruncate(self.descriptor, end)
        except OSError:  # zeros behind the last record say the same
            pass
        finally:
            os.close(self.descriptor)


def create_segment(folder: Path, name: bytes, size: int) -> Segment:
    """Make a segment.

    Args:
        folder: where.
        name: 16 bytes that no other segment is called by.
        size: of the file, in bytes.

    Raises:
        OSError: there is no room, or no leave.
    """
    path = folder / (name.hex() + SUFFIX)
    hidden = path.with_suffix(NEW_SUFFIX)  # nobody takes it for one that was left behind
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with ExitStack() as undo:
        undo.callback(hidden.unlink, missing_ok=True)
        undo.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A page without a block would be a deadly signal at the first append that has no room.
        os.posix_fallocate(descriptor, 0, size)
        memory = mmap(descriptor, size)
        memory[:START] = _head(name)
        hidden.rename(path)
        undo.pop_all()
    return Segment(path, descriptor, memory)


class SegmentReader:
    """A segment, to be read; also while it is being written. Any thread may use it, one at a time.

    Reads by system calls: a file that is cut short under a mapping kills whoever looks.

    Args:
        path: of the file.

    Raises:
        NotASegment: it is none.
        OSError: it cannot be read.

    Attributes:
        name: of the segment.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._is_finished = False
        with ExitStack() as undo:
            undo.callback(self.close)
            self.name = _name_in(os.pread(self._descriptor, START, 0))
            undo.pop_all()

    def is_finished(self) -> bool:
        """Whether nobody writes it any more; asked before reading, what is read then is all."""
        if not self._is_finished:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._is_finished = True
        return True

    def read(self, position: int, count_max: int) -> Portion:
        """The records from a position on.

        Args:
            position: `START`, or the end of a portion.
            count_max: no more of them.

        Raises:
            OSError: the disk does not give them.
        """
        is_finished = self.is_finished()
        if not is_finished and os.pread(self._descriptor, len(MARK), position) != MARK:
            return Portion([], position, 0)  # the usual case: nothing new
        for size in (_READ_BYTES, FRAME_BYTES_MAX):
            data = os.pread(self._descriptor, size, position)
            is_last = len(data) < size
            portion = read_frames(data, count_max, is_last=is_last, passes_damage=is_finished)
            if portion.end or is_last:
                break
        return portion._replace(end=position + portion.end)

    def is_empty(self) -> bool:
        """Whether nothing stands in it so far."""
        return os.pread(self._descriptor, len(MARK), START).strip(b"\0") == b""

    def is_read(self, position: int) -> bool:
        """Whether nothing follows, now or later."""
        return self.is_finished() and position >= os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def sync_path(path: Path) -> None:
    """Have the disk write a file, whoever wrote it, or the names in a folder; takes its time.

    One that is gone is passed over: the store has what stood in it.

    Raises:
        OSError: it cannot.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether nobody holds a file: who made it has died, or has done with it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _head(name: bytes) -> bytes:
    head = _HEAD.pack(_MAGIC, _VERSION, name)
    return (head + struct.pack("<I", crc32(head))).ljust(START, b"\0")


def _name_in(head: bytes) -> bytes:
    if len(head) < START or head[: len(_MAGIC)] != _MAGIC:
        raise NotASegment("it is not a journal")
    _, version, name = _HEAD.unpack_from(head)
    if version != _VERSION:
        raise NotASegment(f"it is a journal of version {version}")
    if head != _head(name):
        raise NotASegment("its beginning is damaged")
    return bytes(name)
