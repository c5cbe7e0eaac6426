"""A file of lines, read a piece at a time, so that no file takes memory. Blocks: for threads."""

from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 256 * 1024


class LineFile:
    """Reads lines in order.

    Args:
        path: of the file.
        line_bytes_max: the longest line that is read; of longer ones only the number is told.
    """

    def __init__(self, path: Path, line_bytes_max: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._line_bytes_max = line_bytes_max
        self._number = 0
        self._rest = b""
        self._is_too_long = False
        self._is_over = False

    def read(self) -> list[tuple[int, bytes | None]] | None:
        """Some of the next lines with their numbers, from 1; `None` after the last.

        Raises:
            OSError: the file cannot be read.
        """
        while not self._is_over:
            piece = self._file.read(_PIECE_BYTES)
            if not piece:
                self._is_over = True
                return [self._line(self._rest)] if self._rest or self._is_too_long else None
            head, end, tail = piece.rpartition(b"\n")
            if end:
                first, *others = (self._rest + head).split(b"\n")
                self._rest = tail
                return [self._line(line) for line in (first, *others)]
            self._rest += tail
            if len(self._rest) > self._line_bytes_max:
                self._is_too_long, self._rest = True, b""
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _line(self, line: bytes) -> tuple[int, bytes | None]:
        self._number += 1
        if self._is_too_long or len(line) > self._line_bytes_max:
            self._is_too_long = False
            return self._number, None
        return self._number, line
