"""What was handed over, written down before it is, so that nobody hands it over again.

A line of the book says which lines are about to be handed over and under which token, which batch
of the provider they became, or that all of its answers are written down. Who goes on with a batch
finds by the token what a predecessor created and did not live to note.
"""

import os
from pathlib import Path

import msgspec


class Entry(msgspec.Struct):
    """Lines that were handed over together.

    Attributes:
        token: tells them from all others; the provider keeps it with its batch.
        provider: its name in the settings.
        numbers: of the lines.
        batch: what the provider calls them; empty until that is known.
    """

    token: str
    provider: str
    numbers: list[int]
    batch: str = ""


class _Note(msgspec.Struct, omit_defaults=True):
    token: str
    provider: str = ""
    numbers: list[int] = []
    batch: str = ""
    is_over: bool = False


_read = msgspec.json.Decoder(_Note).decode


class Book:
    """A file that only grows. Blocks: for threads, one call at a time.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> list[Entry]:
        """What was handed over, or was about to be, and is not over.

        Raises:
            OSError: the file cannot be read.
        """
        found: dict[str, Entry] = {}
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        for line in lines:
            try:
                note = _read(line)
            except (msgspec.DecodeError, UnicodeDecodeError):  # cut off when the process died
                continue
            if note.numbers:
                found[note.token] = Entry(note.token, note.provider, note.numbers)
            elif note.is_over:
                found.pop(note.token, None)
            elif note.token in found:
                found[note.token].batch = note.batch
        return list(found.values())

    def intend(self, entry: Entry) -> None:
        """It is about to be handed over.

        Raises:
            OSError: it cannot be written; nor can the others.
        """
        self._append(_Note(entry.token, entry.provider, entry.numbers))

    def made(self, entry: Entry) -> None:
        """The provider has it, and this is what it calls it."""
        self._append(_Note(entry.token, batch=entry.batch))

    def over(self, entry: Entry) -> None:
        """Nothing is to be had of it any more."""
        self._append(_Note(entry.token, is_over=True))

    def remove(self) -> None:
        """The batch is over."""
        self._path.unlink(missing_ok=True)

    def _append(self, note: _Note) -> None:
        # A line before it that has no end stays one that nobody can read.
        with self._path.open("ab", buffering=0) as file:
            file.write(b"\n" + msgspec.json.encode(note) + b"\n")
            os.fsync(file.fileno())
