"""What is kept of requests: columns of numbers, exact up to a bound, a fair draw of them beyond."""

from array import array
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

COLUMNS: Final = ("at_s", "lag_s", "e2e_s", "ttft_s", "tpot_s", "outcome", "kind")
_BYTES: Final = array("d").itemsize
NONE: Final = -1.0
"""Stands where a request has no such time."""


class Samples:
    """A table of requests with a bound: a reservoir (Vitter's algorithm R), one row each.

    Args:
        bound: rows at most; up to there every request is kept.
        seed: of what is kept beyond.

    Attributes:
        seen: requests that were added.
        columns: as named by `COLUMNS`; `NONE` where a request has none.
    """

    def __init__(self, bound: int, seed: int) -> None:
        self._bound = bound
        self._uniform = Random(seed).random  # noqa: S311
        self.seen = 0
        self.columns: tuple[array[float], ...] = tuple(array("d") for _ in COLUMNS)

    def add(self, row: Sequence[float]) -> None:
        """Add a request, in the order of `COLUMNS`."""
        self.seen += 1
        if self.seen <= self._bound:
            for column, value in zip(self.columns, row, strict=True):
                column.append(value)
            return
        place = int(self._uniform() * self.seen)
        if place < self._bound:
            for column, value in zip(self.columns, row, strict=True):
                column[place] = value


class Table(msgspec.Struct, frozen=True):
    """Rows of requests as they travel between processes.

    Attributes:
        seen: requests there were.
        columns: of doubles, in the machine's order of bytes.
    """

    seen: int
    columns: tuple[bytes, ...]

    @classmethod
    def of(cls, samples: Samples) -> "Table":
        """Pack."""
        return cls(samples.seen, tuple(column.tobytes() for column in samples.columns))

    def column(self, name: str) -> "array[float]":
        """Unpack one."""
        values = array("d")
        values.frombytes(self.columns[COLUMNS.index(name)])
        return values

    def thinned(self, rows_max: int, seed: int) -> "Table":
        """A fair draw of so many rows, in their order; itself where there are no more."""
        there = len(self.columns[0]) // _BYTES
        if there <= rows_max:
            return self
        kept = sorted(Random(seed).sample(range(there), rows_max))  # noqa: S311
        columns = []
        for name in COLUMNS:
            column = self.column(name)
            columns.append(array("d", (column[place] for place in kept)).tobytes())
        return Table(self.seen, tuple(columns))


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all; workers share requests evenly, so each row stands for as many."""
    columns = tuple(b"".join(parts) for parts in zip(*(t.columns for t in tables), strict=True))
    return Table(sum(table.seen for table in tables), columns)
