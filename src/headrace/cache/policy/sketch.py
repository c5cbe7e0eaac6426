"""How often keys came lately, in a few bytes for each.

A count-min sketch (Cormode, Muthukrishnan 2005) with counters that stop at 15 and lose half of
their count as time goes by (TinyLFU: Einziger, Friedman, Manes 2017). It never tells less than
what was counted since the last halving, up to 15; it may tell more, where keys collide.
"""

from typing import Final

COUNT_MAX: Final = 15
ROWS: Final = 4
BYTES_PER_CELL: Final = ROWS
_BLOCK_CELLS: Final = 4096
_HALVES: Final = bytes(count >> 1 for count in range(256))


class FrequencySketch:
    """Counts codes, which are keys spread over 64 bits.

    Counts are halved a block of cells at a time, in turn, so that no call takes long. Four bytes
    for each cell of the width.

    Args:
        entries: how many keys it should tell apart; it grows by `fit`.
        window_per_cell: each count is halved after this many additions for each cell of the
            width.
    """

    __slots__ = ("_additions", "_block_period", "_next_block", "_rows", "_window_per_cell")

    def __init__(self, entries: int = 1024, *, window_per_cell: int = 10) -> None:
        width = 1 << max(6, (entries - 1).bit_length())
        self._rows = tuple(bytearray(width) for _ in range(ROWS))
        self._window_per_cell = window_per_cell
        self._additions = 0
        self._next_block = 0
        self._block_period = min(width, _BLOCK_CELLS) * window_per_cell

    @property
    def width(self) -> int:
        """Cells of each row."""
        return len(self._rows[0])

    def fit(self, entries: int) -> None:
        """Grow until there is a cell for each of `entries` keys; every count stays as it is."""
        while self.width < entries:
            # A wider index leads to the same cell, or to its copy in the upper half.
            self._rows = tuple(row + row for row in self._rows)
            self._block_period = min(self.width, _BLOCK_CELLS) * self._window_per_cell

    def estimate(self, code: int) -> int:
        """How often `code` came, at most 15."""
        step = code >> 32 | 1
        first, second, third, fourth = self._rows
        mask = len(first) - 1
        return min(
            first[code & mask],
            second[code + step & mask],
            third[code + 2 * step & mask],
            fourth[code + 3 * step & mask],
        )

    def count(self, code: int, times: int = 1) -> int:
        """Add `times` uses of `code`; returns what `estimate` would tell then."""
        first, second, third, fourth = self._rows
        mask = len(first) - 1
        step = code >> 32 | 1
        one, two = code & mask, code + step & mask
        three, four = code + 2 * step & mask, code + 3 * step & mask
        least = min(first[one], second[two], third[three], fourth[four])
        wanted = min(least + times, COUNT_MAX)
        # Only what is below the new estimate is raised: collisions count less.
        if first[one] < wanted:
            first[one] = wanted
        if second[two] < wanted:
            second[two] = wanted
        if third[three] < wanted:
            third[three] = wanted
        if fourth[four] < wanted:
            fourth[four] = wanted
        self._additions += times
        if self._additions >= self._block_period:
            self._additions = 0
            self._halve_block()
        return wanted

    def _halve_block(self) -> None:
        start = self._next_block
        for row in self._rows:
            row[start : start + _BLOCK_CELLS] = row[start : start + _BLOCK_CELLS].translate(_HALVES)
        self._next_block = (start + _BLOCK_CELLS) % max(self.width, _BLOCK_CELLS)
