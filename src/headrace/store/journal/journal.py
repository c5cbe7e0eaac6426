"""The writing end of a journal: one for each process, in a folder that all share."""

import os
from collections.abc import Callable
from contextlib import suppress
from mmap import PAGESIZE
from pathlib import Path
from typing import Final
from zlib import crc32

from headrace.clock import Clock
from headrace.store.journal.frames import FRAME_BYTES_MAX, HEAD, MARK, RECORD_BYTES_MAX
from headrace.store.journal.segment import (
    NEW_SUFFIX,
    START,
    SUFFIX,
    Segment,
    create_segment,
    is_abandoned,
    sync_path,
)

SEGMENT_BYTES: Final = 4 << 20
# While there is no room, looking for some takes a look at the folder each time.
_RETRY_S: Final = 1.0
# A segment takes milliseconds to make.
_MAKING_S_MAX: Final = 60.0


class Journal:
    """Takes records until there is no room. Belongs to one thread, but for `prepare` and `sync`.

    Args:
        folder: of all segments; made where it is missing.
        bytes_max: of all segments of all processes in the folder.
        clock: the time.
        token: gives random bytes.
        segment_bytes: of one segment.
        syncs: whether `sync` will be called.

    Raises:
        OSError: the folder cannot be made. One that is full, or cannot be written yet, is no
            error: each record looks for room again.

    Attributes:
        problem: why the last record was not taken; empty where it was.
    """

    def __init__(
        self,
        folder: Path,
        bytes_max: int,
        clock: Clock,
        token: Callable[[int], bytes],
        segment_bytes: int = SEGMENT_BYTES,
        *,
        syncs: bool = False,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._bytes_max = bytes_max
        self._now_s, self._wall_s = clock.monotonic_s, clock.wall_s
        self._token = token
        self._segment_bytes = segment_bytes
        self._segment: Segment | None = None
        self._spare: Segment | None = None
        self._memory = memoryview(bytearray())
        self._position = self._size = 0
        self._retry_s = -_RETRY_S
        # Finished since the disk was made to write them; `None` where nobody wants to know.
        self._unsynced: list[Path] | None = [] if syncs else None
        self.problem = self._try_next()

    @property
    def wants_spare(self) -> bool:
        """Whether `prepare` has something to do: the segment under way is half full."""
        return self._spare is None and 2 * self._position > self._size

    def append(self, record: bytes) -> bool:
        """Write a record, which outlives the process from now on; says whether there was room.

        Args:
            record: not empty.
        """
        framed = HEAD.pack(MARK, len(record), crc32(record)) + record
        start = self._position
        self._position = end = start + len(framed)
        if end > self._size or len(record) > RECORD_BYTES_MAX:
            self._position = start
            return self._append_to_next(framed)
        self._memory[start:end] = framed
        return True

    def prepare(self) -> None:
        """Make the next segment ahead, in whatever thread; what goes wrong shows when it is due."""
        with suppress(OSError):
            spare = self._make()
            for start in range(0, len(spare.memory), PAGESIZE):  # the loop need not wait for pages
                spare.memory[start] = spare.memory[start]
            self._spare = spare

    def sync(self) -> None:
        """Have the disk write what was appended, in whatever thread.

        Raises:
            OSError: it cannot; what it did not write is tried again by the next one.
        """
        segment = self._segment  # before the others: it may be one of them at once
        unsynced = self._unsynced or []
        while unsynced:
            sync_path(unsynced[0])
            del unsynced[0]
        if segment is not None:
            sync_path(segment.path)
        sync_path(self._folder)  # or new segments would have no names

    def close(self) -> None:
        """Finish the segment under way; nothing is appended any more."""
        self._finish()
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close(START)
            spare.path.unlink(missing_ok=True)

    # The inside.

    def _append_to_next(self, framed: bytes) -> bool:
        if len(framed) > FRAME_BYTES_MAX or len(framed) > self._segment_bytes - START:
            self.problem = f"a record of {len(framed)} bytes is too long"
            return False
        now_s = self._now_s()
        if self._segment is None and now_s - self._retry_s < _RETRY_S:
            return False
        self._finish()
        self._retry_s = now_s
        self.problem = self._try_next()
        if self.problem:
            return False
        end = START + len(framed)
        self._memory[START:end] = framed
        self._position = end
        return True

    def _try_next(self) -> str:
        """Begin another segment; what is in the way, where something is."""
        try:
            spare, self._spare = self._spare, None
            self._segment = segment = spare or self._make()
        except OSError as error:
            return f"{self._folder}: {error.strerror or error}"
        self._memory = memoryview(segment.memory)
        self._position, self._size = START, len(segment.memory)
        return ""

    def _make(self) -> Segment:
        remove_unfinished(self._folder, self._wall_s())
        held = folder_bytes(self._folder)
        if held + self._segment_bytes > self._bytes_max:
            raise OSError(f"the journal is full: it holds {held >> 20} MiB (ledger.journal_mb_max)")
        return create_segment(self._folder, self._token(16), self._segment_bytes)

    def _finish(self) -> None:
        segment, self._segment = self._segment, None
        self._memory.release()
        if segment is not None:
            segment.close(self._position)
            if self._unsynced is not None:
                self._unsynced.append(segment.path)
        self._memory = memoryview(bytearray())
        self._position = self._size = 0


def segment_paths(folder: Path) -> list[Path]:
    """Every segment in a folder, the oldest first."""
    found: list[tuple[int, Path]] = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with suppress(FileNotFoundError):
                    found.append((entry.stat().st_mtime_ns, Path(entry.path)))
    return [path for _, path in sorted(found)]


def folder_bytes(folder: Path) -> int:
    """What all segments in a folder hold, in bytes."""
    held = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((SUFFIX, NEW_SUFFIX)):
                with suppress(FileNotFoundError):
                    held += entry.stat().st_size
    return held


def remove_unfinished(folder: Path, now_s: float) -> None:
    """Remove what processes left behind that died while they made a segment.

    Args:
        folder: of all segments.
        now_s: seconds since the epoch; what is young may be about to be locked by who makes it.
    """
    for path in folder.glob("*" + NEW_SUFFIX):
        with suppress(OSError):
            if now_s - path.stat().st_mtime > _MAKING_S_MAX and is_abandoned(path):
                path.unlink()
