"""What was spent, in numbers that several processes keep together.

A table has a row for each thing that is counted. Rows are only ever added, each with its name, so
that no row changes its meaning. Of a row each process writes a part of its own, and reads all of
them. A part holds two days and two months, told apart by their numbers: what was reserved before
midnight is settled where it was reserved. Amounts are whole billionths of a US dollar, so that what
is taken and given back leaves nothing behind.

Whoever writes, or decides by what it reads, holds the table's lock.
"""

from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import Final

from headrace.identity.elsewhere import ELSEWHERE_CELLS, Cells, Elsewhere, Spent
from headrace.identity.periods import Period

Lock = AbstractContextManager[object]

ROWS_MAX: Final = 4096
NANO: Final = 1_000_000_000

_CELL_BYTES: Final = 8
_MILLI: Final = 1000
# A quarter of the rows.
_KEPT_PART: Final = 4
_NAME_CELLS: Final = 32
_NAME_BYTES_MAX: Final = _NAME_CELLS * _CELL_BYTES - 1
_MARK_BYTES: Final = 8
_GENERATIONS: Final = 2
_NUMBER, _SPENT, _RESERVED, _CALLS, _INPUT, _OUTPUT = range(6)
_FIELDS: Final = 6
_PART_CELLS: Final = len(Period) * _GENERATIONS * _FIELDS
# How many rows there are, and until when what is lent counts.
_HEAD_CELLS: Final = 2
# How often a row was written to, and what is spent elsewhere.
_TAIL_CELLS: Final = 1 + ELSEWHERE_CELLS
_AMOUNT_MAX: Final = 1 << 62
# One call costs no more: a hundred million dollars.
_CALL_NANO_MAX: Final = 10**17


def nano(usd: float) -> int:
    """US dollars as billionths, to the nearest."""
    return min(round(usd * NANO), _CALL_NANO_MAX) if usd < _CALL_NANO_MAX else _CALL_NANO_MAX


class Sums:
    """What was spent of one thing in one day or month.

    Attributes:
        spent: billionths of a US dollar.
        reserved: the same, for calls under way.
        calls: calls that have ended.
        input_tokens: of those.
        output_tokens: of those.
    """

    __slots__ = ("calls", "input_tokens", "output_tokens", "reserved", "spent")

    def __init__(self) -> None:
        self.spent = self.reserved = self.calls = self.input_tokens = self.output_tokens = 0


class Tally:
    """One row, as one process writes it. Belongs to one event loop.

    Args:
        name: of the row, as far as there is room for it.
        cells: the parts of all processes, and what is known of elsewhere.
        own: number of the part that is written.

    Attributes:
        name: see above.
        elsewhere: what other machines have spent, and what is leased to this one.
    """

    __slots__ = ("_cells", "_own", "_writes", "elsewhere", "name")

    def __init__(self, name: str, cells: Cells, own: int) -> None:
        self.name = name
        self._cells = cells[:-_TAIL_CELLS]
        self._writes = cells[-_TAIL_CELLS:-ELSEWHERE_CELLS]
        self.elsewhere = Elsewhere(cells[-ELSEWHERE_CELLS:])
        self._own = own * _PART_CELLS

    @property
    def writes(self) -> int:
        """How often any process has written to it; another number says that it has changed."""
        return int(self._writes[0])

    def touch(self) -> None:
        """Let it be looked at again; whoever writes holds the lock."""
        self._writes[0] += 1

    def used(self, period: Period, number: int) -> int:
        """What was spent by all and is reserved here, in billionths of a US dollar."""
        return self.used_here(period, number) + self.elsewhere.used(period, number)

    def used_here(self, period: Period, number: int) -> int:
        """The same, by the processes of this machine."""
        cells = self._cells
        return sum(
            cells[at + _SPENT] + cells[at + _RESERVED]
            for at in range(_place(period, number), len(cells), _PART_CELLS)
            if cells[at] == number
        )

    def sums(self, period: Period, number: int) -> Sums:
        """The same as `used`, each by itself."""
        sums, other = self.sums_here(period, number), self.elsewhere.spent(period, number)
        sums.spent += other.spent
        sums.calls += other.calls
        sums.input_tokens += other.input_tokens
        sums.output_tokens += other.output_tokens
        return sums

    def windows(self) -> dict[tuple[Period, int], Spent]:
        """What was spent by the processes of this machine, in each day and month they know."""
        cells = self._cells
        known = {
            (period, cells[at])
            for period in Period
            for generation in range(_GENERATIONS)
            for at in range(_place(period, generation), len(cells), _PART_CELLS)
            if cells[at]
        }
        return {
            (period, number): _spent(self.sums_here(period, number)) for period, number in known
        }

    def sums_here(self, period: Period, number: int) -> Sums:
        """What was spent by the processes of this machine."""
        cells, sums = self._cells, Sums()
        for at in range(_place(period, number), len(cells), _PART_CELLS):
            if cells[at] == number:
                sums.spent += cells[at + _SPENT]
                sums.reserved += cells[at + _RESERVED]
                sums.calls += cells[at + _CALLS]
                sums.input_tokens += cells[at + _INPUT]
                sums.output_tokens += cells[at + _OUTPUT]
        return sums

    def reserve(self, period: Period, number: int, amount: int) -> None:
        """Take an amount for a call that sets out."""
        at = self._own + _place(period, number)
        cells = self._cells
        if cells[at] != number:  # what was there is two days or months old, or of a wrong clock
            for offset in range(1, _FIELDS):
                cells[at + offset] = 0
            cells[at] = number
        cells[at + _RESERVED] = min(cells[at + _RESERVED] + amount, _AMOUNT_MAX)
        self.touch()

    def release(self, period: Period, number: int, amount: int) -> None:
        """Give back what was taken; nothing, where its day or month is forgotten by now."""
        at = self._own + _place(period, number)
        if self._cells[at] == number:
            self._cells[at + _RESERVED] = max(0, self._cells[at + _RESERVED] - amount)
            self.touch()

    def book(self, period: Period, number: int, amount: int, tokens: tuple[int, int]) -> None:
        """Count a call that has ended, where it was reserved; tokens are of input and output."""
        at = self._own + _place(period, number)
        cells = self._cells
        if cells[at] == number:
            cells[at + _SPENT] = min(cells[at + _SPENT] + amount, _AMOUNT_MAX)
            cells[at + _CALLS] += 1
            cells[at + _INPUT] += tokens[0]
            cells[at + _OUTPUT] += tokens[1]
            self.touch()

    def inherit(self) -> None:
        """Count what a process before this one had reserved as spent: it may be billed."""
        cells = self._cells
        for at in range(self._own, self._own + _PART_CELLS, _FIELDS):
            cells[at + _SPENT] = min(cells[at + _SPENT] + cells[at + _RESERVED], _AMOUNT_MAX)
            cells[at + _RESERVED] = 0
        self.touch()


class TallyTable:
    """All rows.

    Args:
        cells: zeros at first, as many as `cells_for` says; shared by all who count together.
        places: how many they are.
        own: number of this one.
        lock: held by whoever writes, or decides by what it reads.

    Attributes:
        lock: see above.
    """

    def __init__(self, cells: Cells, places: int = 1, own: int = 0, lock: Lock | None = None):
        self.lock: Lock = nullcontext() if lock is None else lock
        self._cells = cells
        self._stride = _NAME_CELLS + places * _PART_CELLS + _TAIL_CELLS
        self._rows_max = (len(cells) - _HEAD_CELLS) // self._stride
        self._own = own
        self._tallies: dict[str, Tally] = {}
        with self.lock:
            self._read_names()
            for tally in self._tallies.values():
                tally.inherit()

    @staticmethod
    def cells_for(places: int, rows_max: int = ROWS_MAX) -> int:
        """How many cells a table has."""
        return _HEAD_CELLS + rows_max * (_NAME_CELLS + places * _PART_CELLS + _TAIL_CELLS)

    @property
    def lent_until_s(self) -> float:
        """Until when what is lent counts, monotonic seconds, which all processes share."""
        return float(self._cells[1]) / _MILLI

    @lent_until_s.setter
    def lent_until_s(self, until_s: float) -> None:
        self._cells[1] = int(until_s * _MILLI)

    def __len__(self) -> int:
        """How many rows there are, whoever has made them."""
        return int(self._cells[0])

    @property
    def is_full(self) -> bool:
        """Whether no name gets a row any more."""
        return self._cells[0] >= self._rows_max

    def names(self) -> list[str]:
        """Of all rows that there are, whoever has made them."""
        if self._cells[0] > len(self._tallies):
            self._read_names()
        return list(self._tallies)

    def rows(self) -> list[Tally]:
        """All that there are, whoever has made them."""
        if self._cells[0] > len(self._tallies):
            self._read_names()
        return list(self._tallies.values())

    def find(self, name: str) -> Tally | None:
        """The row of a name, where there is one, whoever has made it."""
        name = _shortened(name)
        if name not in self._tallies and self._cells[0] > len(self._tallies):
            self._read_names()
        return self._tallies.get(name)

    def spare(self, name: str) -> Tally | None:
        """As `tally`, for what can be done without: some of the last rows are kept for the rest."""
        return self.tally(name, rows_kept=self._rows_max // _KEPT_PART)

    def tally(self, name: str, *, rows_kept: int = 0) -> Tally | None:
        """The row of a name, made where there is none; None where there is no room for one.

        Args:
            name: what is counted.
            rows_kept: so many have to be free for other names after it is made.
        """
        name = _shortened(name)
        tally = self._tallies.get(name)
        if tally is None:
            with self.lock:
                self._read_names()
                if name not in self._tallies and self._cells[0] < self._rows_max - rows_kept:
                    self._write_name(name)
                    self._read_names()
            tally = self._tallies.get(name)
        return tally

    def _read_names(self) -> None:
        """Take in the rows that were added of late."""
        cells = self._cells
        for row in range(len(self._tallies), cells[0]):
            at = _HEAD_CELLS + row * self._stride
            name = cells[at : at + _NAME_CELLS].tobytes()
            parts = cells[at + _NAME_CELLS : at + self._stride]
            text = name[1 : 1 + name[0]].decode()
            self._tallies[text] = Tally(text, parts, self._own)

    def _write_name(self, name: str) -> None:
        at = _HEAD_CELLS + self._cells[0] * self._stride
        encoded = name.encode()
        record = (bytes((len(encoded),)) + encoded).ljust(_NAME_CELLS * _CELL_BYTES, b"\0")
        self._cells[at : at + _NAME_CELLS] = memoryview(record).cast("q")
        self._cells[0] += 1  # last: who reads without the lock sees the whole name, or none


def _place(period: Period, number: int) -> int:
    return (period * _GENERATIONS + number % _GENERATIONS) * _FIELDS


def _spent(sums: Sums) -> Spent:
    return Spent(sums.spent, sums.reserved, sums.calls, sums.input_tokens, sums.output_tokens)


def _shortened(name: str) -> str:
    """A name that fits; what is cut off still tells names apart."""
    encoded = name.encode(errors="replace")
    if len(encoded) <= _NAME_BYTES_MAX:
        return encoded.decode()
    mark = blake2b(encoded, digest_size=_MARK_BYTES).hexdigest()
    return encoded[: _NAME_BYTES_MAX - 1 - len(mark)].decode(errors="ignore") + "~" + mark
