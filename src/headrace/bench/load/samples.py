"""What is kept of requests: columns of numbers, exact up to a bound, a fair draw of them beyond."""

from array import array
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

COLUMNS: Final = ("at_s", "lag_s", "e2e_s", "ttft_s", "tpot_s", "outcome", "kind")
_ROW_BYTES: Final = array("d").itemsize * len(COLUMNS)
NONE: Final = -1.0
"""Stands where a request has no such time."""


class Samples:
    """A table of requests with a bound: a reservoir (Vitter's algorithm R), one row each.

    Args:
        bound: rows at most; up to there every request is kept.
        seed: of what is kept beyond.

    Attributes:
        seen: requests that were added.
        rows: one after the other, as named by `COLUMNS`; `NONE` where a request has none.
    """

    def __init__(self, bound: int, seed: int) -> None:
        self._bound = bound
        self._uniform = Random(seed).random  # noqa: S311
        self.seen = 0
        self.rows: array[float] = array("d")

    def add(self, row: tuple[float, ...]) -> None:
        """Add a request, in the order of `COLUMNS`."""
        self.seen += 1
        if self.seen <= self._bound:
            self.rows.extend(row)
            return
        place = int(self._uniform() * self.seen)
        if place < self._bound:
            begin = place * len(row)
            self.rows[begin : begin + len(row)] = array("d", row)


class Table(msgspec.Struct, frozen=True):
    """Rows of requests as they travel between processes.

    Attributes:
        seen: requests there were.
        rows: of doubles, in the machine's order of bytes.
    """

    seen: int
    rows: bytes

    @classmethod
    def of(cls, samples: Samples) -> "Table":
        """Pack."""
        return cls(samples.seen, samples.rows.tobytes())

    def column(self, name: str) -> "array[float]":
        """Unpack one."""
        values = array("d")
        values.frombytes(self.rows)
        return values[COLUMNS.index(name) :: len(COLUMNS)]

    def thinned(self, rows_max: int, seed: int) -> "Table":
        """A fair draw of so many rows, in their order; itself where there are no more."""
        there = len(self.rows) // _ROW_BYTES
        if there <= rows_max:
            return self
        kept = sorted(Random(seed).sample(range(there), rows_max))  # noqa: S311
        begins = (place * _ROW_BYTES for place in kept)
        return Table(self.seen, b"".join(self.rows[at : at + _ROW_BYTES] for at in begins))


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all; workers share requests evenly, so each row stands for as many."""
    return Table(sum(table.seen for table in tables), b"".join(table.rows for table in tables))
