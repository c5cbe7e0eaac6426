"""The lines of a batch in order, read by a thread as they are needed."""

import asyncio
from collections import deque
from pathlib import Path

from headrace.batches.line_file import LineFile
from headrace.batches.lines import Line, LineFault, LineReader


class LineSource:
    """Reads the lines of one batch once. Belongs to one event loop.

    Args:
        path: of the file.
        endpoint: what all lines ask.
        line_bytes_max: the longest line.

    Attributes:
        number: of the last line that was read, empty ones included.
    """

    def __init__(self, path: Path, endpoint: str, line_bytes_max: int) -> None:
        self.number = 0
        self._file = LineFile(path, line_bytes_max)
        self._reader = LineReader(endpoint, line_bytes_max)
        self._ready: deque[Line | LineFault] = deque()
        self._reading = asyncio.Lock()
        self._is_over = False

    async def next(self) -> Line | LineFault | None:
        """The next line that is not empty; `None` after the last.

        Raises:
            OSError: the file cannot be read.
        """
        while not self._ready:
            async with self._reading:
                if not self._ready and not self._is_over:
                    self._ready.extend(await asyncio.to_thread(self._read))
                elif self._is_over and not self._ready:
                    return None
        return self._ready.popleft()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read(self) -> list[Line | LineFault]:
        lines = self._file.read()
        if lines is None:
            self._is_over = True
            return []
        self.number = lines[-1][0]
        read = (self._reader.read(number, raw) for number, raw in lines)
        return [line for line in read if line is not None]
