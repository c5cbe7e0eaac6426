"""Where numbers live: rows of float cells, one row per worker, that any worker can read.

A counter is a cell and counting is `row[index] += 1.0`. One process keeps its row in a list;
workers keep theirs in one anonymous shared mapping that the supervisor makes before it forks, so
that any worker can render the sum and a restarted one goes on where its predecessor died.
"""

import mmap
from collections.abc import Iterable
from typing import Protocol

PROVIDERS_MAX = 32
SLO_NAMES_MAX = 16
"""Names of service levels that are told apart from the start on; more than there are at a time."""
COMMON_CELLS = 1024
"""Cells that no worker's row holds: what they say to each other."""
NAME_BYTES_MAX = 63
OTHER_NAME = "other"
_NAME_STRIDE_BYTES = NAME_BYTES_MAX + 1
_PROVIDERS_BYTES = PROVIDERS_MAX * _NAME_STRIDE_BYTES
_NAMES_BYTES = _PROVIDERS_BYTES + SLO_NAMES_MAX * _NAME_STRIDE_BYTES
_CELL_BYTES = 8
_COMMON_BYTES = COMMON_CELLS * _CELL_BYTES
_CACHE_LINE_BYTES = 64


class Row(Protocol):
    """A fixed number of float cells with one writer: the worker whose row it is."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> float: ...

    def __setitem__(self, index: int, value: float, /) -> None: ...


class Board(Protocol):
    """The rows of every worker, and the tables that say which name has which slot."""

    def row(self, worker: int) -> Row:
        """The row that `worker` (from 0) writes."""
        ...

    def rows(self) -> list[list[float]]:
        """A copy of every row as it is now."""
        ...

    def copy(self, worker: int) -> list[float]:
        """A copy of the row of `worker` as it is now; from any thread."""
        ...

    @property
    def slots(self) -> "NameSlots":
        """The provider names of all rows."""
        ...

    @property
    def slo_slots(self) -> "NameSlots":
        """The names of service levels of all rows."""
        ...

    @property
    def common(self) -> Row:
        """`COMMON_CELLS` cells of all workers together; who writes which, they agree upon."""
        ...


class Cells:
    """The board of a single process: one row, in a list.

    Args:
        size: cells in the row.
    """

    def __init__(self, size: int) -> None:
        self._row = [0.0] * size
        self.slots, self.slo_slots = _tables(memoryview(bytearray(_NAMES_BYTES)))
        self.common: Row = [0.0] * COMMON_CELLS

    def row(self, worker: int = 0) -> Row:
        """The row; `worker` is 0.

        Raises:
            IndexError: any other worker was asked for.
        """
        if worker != 0:
            raise IndexError(f"a single process has row 0 only, not {worker}")
        return self._row

    def rows(self) -> list[list[float]]:
        """A copy of the one row."""
        return [self._row.copy()]

    def copy(self, worker: int = 0) -> list[float]:  # noqa: ARG002
        """A copy of the one row."""
        return self._row.copy()


class SharedCells:
    """The board of N workers in one anonymous shared mapping; made before the first fork.

    Args:
        workers: rows, at least 1.
        size: cells in each row.
    """

    def __init__(self, workers: int, size: int) -> None:
        if workers < 1 or size < 1:
            raise ValueError(f"workers and size start at 1, not {workers} and {size}")
        # Rows begin on cache lines of their own: neighbours never wait for each other's writes.
        stride_bytes = -(-size * _CELL_BYTES // _CACHE_LINE_BYTES) * _CACHE_LINE_BYTES
        first = _NAMES_BYTES + _COMMON_BYTES
        memory = memoryview(mmap.mmap(-1, first + workers * stride_bytes))
        starts = [first + worker * stride_bytes for worker in range(workers)]
        self._rows = [memory[at : at + size * _CELL_BYTES].cast("d") for at in starts]
        self.slots, self.slo_slots = _tables(memory[:_NAMES_BYTES])
        self.common: Row = memory[_NAMES_BYTES:first].cast("d")

    def row(self, worker: int) -> Row:
        """The row that `worker` writes.

        Raises:
            IndexError: there is no such worker.
        """
        if not 0 <= worker < len(self._rows):
            raise IndexError(f"worker {worker} of {len(self._rows)}")
        return self._rows[worker]

    def rows(self) -> list[list[float]]:
        """A copy of every row as it is now, whoever writes it."""
        return [list(row) for row in self._rows]

    def copy(self, worker: int) -> list[float]:
        """A copy of the row of `worker` as it is now."""
        return list(self._rows[worker])


class NameSlots:
    """Which name counts in which slot: append-only, so that no slot ever changes its meaning.

    One process assigns: the supervisor, at start and before it passes a reload on. The others read
    the same table. Names beyond the bound, and those nobody assigned, share the slot `other`.

    Args:
        table: zeroed bytes, entries of a length byte and a UTF-8 name.

    Attributes:
        names_max: how many names have a slot of their own; the number of the slot `other`.
    """

    def __init__(self, table: memoryview) -> None:
        self._table = table
        self.names_max = len(table) // _NAME_STRIDE_BYTES

    def assign(self, names: Iterable[str]) -> None:
        """Give every name a slot that has none yet, in the order given."""
        known = self.names()
        for name in map(_bounded, names):
            if name in known or name == OTHER_NAME or len(known) >= self.names_max:
                continue
            self._write(len(known), name.encode())
            known.append(name)

    def slot(self, name: str) -> int:
        """The slot of `name`; `names_max`, the slot of all others, where it has none."""
        names = self.names()
        bounded = _bounded(name)
        return names.index(bounded) if bounded in names else self.names_max

    def names(self) -> list[str]:
        """The names assigned so far; a name's position is its slot."""
        entries = (self._read(slot) for slot in range(self.names_max))
        return [name.decode() for name in entries if name]

    def _read(self, slot: int) -> bytes:
        at = slot * _NAME_STRIDE_BYTES
        return bytes(self._table[at + 1 : at + 1 + self._table[at]])

    def _write(self, slot: int, name: bytes) -> None:
        at = slot * _NAME_STRIDE_BYTES
        self._table[at + 1 : at + 1 + len(name)] = name
        # The length comes last: a reader in another process sees the whole name or none.
        self._table[at] = len(name)


def _tables(table: memoryview) -> tuple[NameSlots, NameSlots]:
    """Those of providers and of service levels, one behind the other."""
    return NameSlots(table[:_PROVIDERS_BYTES]), NameSlots(table[_PROVIDERS_BYTES:])


def _bounded(name: str) -> str:
    """`name` cut to the bytes an entry holds, never inside a character."""
    return name.encode(errors="replace")[:NAME_BYTES_MAX].decode(errors="ignore")
