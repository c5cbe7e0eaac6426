"""Which lines of a batch go together to a provider."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from headrace.batches.handed.book import Entry
from headrace.batches.handed.destinations import Destinations
from headrace.batches.lines import Line
from headrace.batches.source import LineSource
from headrace.gateway.handing import Destination
from headrace.settings.batches import BatchApiSettings

_DIGEST_BYTES: Final = 16
_LINE_BYTES: Final = 100  # what a line is longer than its request
_OWNED: Final = 1
_TWIN: Final = 2


class Portions:
    """Reads the lines of one batch.

    Args:
        lines: where they are, for a `LineSource`.
        done: by number of the line, whether it has its result.
        destinations: whom lines are handed to.
        settings_of: how a provider takes them.
    """

    def __init__(
        self,
        lines: tuple[Path, str, int],
        done: bytearray,
        destinations: Destinations,
        settings_of: Callable[[str], BatchApiSettings],
    ) -> None:
        self._lines = lines
        self._done = done
        self._destinations = destinations
        self._settings_of = settings_of
        self._owned = bytearray(len(done))
        self._seen: set[bytes] = set()

    def own(self, numbers: Sequence[int]) -> None:
        """These lines are handed over already."""
        for number in numbers:
            self._owned[number] = _OWNED

    def owns(self, line: Line) -> bool:
        """Whether a line was given out."""
        return bool(self._owned[line.number])

    async def new(self, *, is_again: bool) -> AsyncIterator[tuple[Destination, list[Line]]]:
        """New lines, as many as go together, and to whom: Batch APIs take one model at a time.

        Args:
            is_again: whether it is the turn of those that are the same as others, whose answers are
                stored by then.

        Raises:
            OSError: the lines cannot be read.
        """
        portions: dict[Destination, list[Line]] = {}
        sizes: dict[Destination, int] = {}
        async for line in self._read(is_again=is_again):
            to = self._destinations.of(line)
            if to is None or self._is_twin(line, is_again=is_again):
                continue
            self._owned[line.number] = _OWNED
            settings = self._settings_of(to.provider)
            size = len(line.body) + _LINE_BYTES
            lines = portions.setdefault(to, [])
            is_full = sizes.get(to, 0) + size > settings.mb_max << 20
            if lines and (is_full or len(lines) >= settings.lines_max):
                yield to, lines
                lines = portions[to] = []
                sizes[to] = 0
            lines.append(line)
            sizes[to] = sizes.get(to, 0) + size
        for to, lines in portions.items():
            yield to, lines

    async def of(self, entries: Sequence[Entry]) -> list[tuple[Entry, list[Line]]]:
        """The lines of entries that have no result yet.

        Raises:
            OSError: the lines cannot be read.
        """
        found = {entry.token: (entry, list[Line]()) for entry in entries}
        token_of = {number: entry.token for entry in entries for number in entry.numbers}
        source = LineSource(*self._lines)
        try:
            while token_of and (line := await source.next()) is not None:
                if isinstance(line, Line) and not self._done[line.number]:
                    token = token_of.get(line.number)
                    if token is not None:
                        found[token][1].append(line)
        finally:
            source.close()
        return list(found.values())

    async def _read(self, *, is_again: bool) -> AsyncIterator[Line]:
        source = LineSource(*self._lines)
        try:
            while (line := await source.next()) is not None:
                if not isinstance(line, Line) or self._done[line.number]:
                    continue
                if self._owned[line.number] == (_TWIN if is_again else 0):
                    yield line
        finally:
            source.close()

    def _is_twin(self, line: Line, *, is_again: bool) -> bool:
        """Whether a line is the same as one before it, and so waits for the answer to that."""
        digest = hashlib.blake2b(line.body, digest_size=_DIGEST_BYTES).digest()
        if not is_again and digest in self._seen and self._destinations.is_stored(line):
            self._owned[line.number] = _TWIN
            return True
        self._seen.add(digest)
        return False
