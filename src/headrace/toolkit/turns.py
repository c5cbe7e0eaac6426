"""How processes that share one disk cache know whether what they remember is still true.

A small file that all of them map into memory holds two numbers for each of many slots, and every
key belongs to a slot. Who writes raises the first number before the change is committed, while the
database's lock keeps other writers out, and makes the second one the same afterwards. Who reads
remembers a value together with the number, if both are the same before it reads; and may give the
remembered value for as long as the first number is unchanged. So nobody is given what was replaced
before it asked; and where a writer was killed half-way, nothing of that slot is remembered until
the next one writes, or the file is opened again.
"""

import errno
import fcntl
import mmap
import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from headrace.store.disk_cache_file import Address

SLOTS: Final = 16_384
_NUMBER_BYTES: Final = 4
_MOST: Final = 0xFFFFFFFF
# The first numbers of all slots, the second ones, and the count of files.
FILE_BYTES: Final = (2 * SLOTS + 1) * _NUMBER_BYTES


class Begun(msgspec.Struct, frozen=True):
    """A change that is being made: of one slot, or of all, and what numbers it gave them."""

    slot: int
    turn: int
    turns: memoryview | None = None


class Turns:
    """The numbers. Thread-safe where they are read; written under the database's lock alone.

    Args:
        path: where they are; made where the file is missing, for its owner alone.

    Attributes:
        begun: the first number of each slot; raises `ValueError` once it is closed.

    Raises:
        OSError: the file cannot be made or mapped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.opening(), _opened(path) as descriptor:
            missing_bytes = FILE_BYTES - os.fstat(descriptor).st_size
            if missing_bytes > 0:
                # Written, not only lengthened: a full disk would kill whoever touches a page later.
                written = os.pwrite(descriptor, bytes(missing_bytes), FILE_BYTES - missing_bytes)
                if written < missing_bytes:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._map = mmap.mmap(descriptor, FILE_BYTES)
        bytes_mapped = memoryview(self._map)
        numbers = bytes_mapped.cast("I")
        self.begun = numbers[:SLOTS]
        self._ended = numbers[SLOTS : 2 * SLOTS]
        self._books = numbers[2 * SLOTS :]
        self._views = (self.begun, self._ended, self._books, numbers, bytes_mapped)

    @staticmethod
    def slot(address: Address) -> int:
        """The slot that a key belongs to."""
        return (address.hash ^ address.scope) % SLOTS

    def settled(self, slot: int) -> int | None:
        """The number to remember a value with that is read from now on; `None` to forget it."""
        try:
            ended = self._ended[slot]  # the one that is written last is read first
            return ended if self.begun[slot] == ended else None
        except ValueError:  # closed by another thread meanwhile
            return None

    @property
    def book(self) -> int:
        """Counts the files that were begun anew under the same name."""
        return self._books[0]

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Only one process, and one thread of it, opens the database at a time."""
        with _opened(self._path) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # until it is closed
            yield

    def settle(self) -> None:
        """Whatever was begun has ended; nobody writes now."""
        self._ended[:] = self.begun

    def begin(self, address: Address | None) -> Begun:
        """A key changes, or all."""
        if address is None:
            turns = memoryview(array("I", [(turn + 1) & _MOST for turn in self.begun]))
            self.begun[:] = turns
            return Begun(0, turns[0], turns)
        slot = self.slot(address)
        turn = self.begun[slot] = (self.begun[slot] + 1) & _MOST
        return Begun(slot, turn)

    def end(self, begun: Begun) -> None:
        """The change was made, or was not."""
        # Where another change has begun by now, the two numbers stay apart until that one ends.
        if begun.turns is None:
            self._ended[begun.slot] = begun.turn
        else:
            self._ended[:] = begun.turns

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        for view in self._views:
            view.release()
        self._map.close()

    def begin_book(self) -> None:
        """The database was moved aside: everybody has to open the new one."""
        self._books[0] = (self._books[0] + 1) & _MOST
        self.end(self.begin(None))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
