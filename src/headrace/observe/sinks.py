"""Where log bytes end: a file that can be reopened, or a stream the process was started with."""

import os
from pathlib import Path
from typing import Protocol


class Sink(Protocol):
    """A place for log bytes. Used by one thread only; every method may block."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        ...

    def write(self, data: memoryview) -> int:
        """Write the beginning of `data`; returns how many bytes were taken.

        Raises:
            OSError: nothing was taken.
        """
        ...

    def reopen(self) -> None:
        """Open the same place anew, for after a rotation.

        Raises:
            OSError: it cannot be opened; the old one stays in use.
        """
        ...

    def close(self) -> None:
        """Give it back."""
        ...


class FileSink:
    """A file that is appended to; several workers may share it.

    Args:
        path: created readable by owner and group where it does not exist.

    Raises:
        OSError: it cannot be opened.
    """

    is_terminal = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = self._open()

    def write(self, data: memoryview) -> int:
        """Append the beginning of `data`."""
        return os.write(self._fd, data)

    def reopen(self) -> None:
        """Close what may have been moved away and open the path again."""
        fresh = self._open()
        os.close(self._fd)
        self._fd = fresh

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _open(self) -> int:
        # Appending is atomic for whole writes, so that the lines of workers do not mix.
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class StreamSink:
    """A stream that belongs to the process, such as standard output (1) or error (2).

    Args:
        fd: its descriptor; never closed here.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.is_terminal = os.isatty(fd)

    def write(self, data: memoryview) -> int:
        """Write the beginning of `data`."""
        return os.write(self._fd, data)

    def reopen(self) -> None:
        """Nothing to do: the stream has no path."""

    def close(self) -> None:
        """Nothing to do: the stream is not ours."""
