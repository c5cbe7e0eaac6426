"""What is spent of one thing elsewhere, and how much of it is leased to this machine, in numbers.

All processes of a machine read it; the one that asks the store writes it. Three days and three
months are told apart by their numbers, so that the next one can be leased before it begins.
"""

from typing import Final, NamedTuple

from headrace.identity.periods import Period

Cells = memoryview  # of signed 64-bit numbers

_NUMBER, _SPENT, _HELD, _CALLS, _INPUT, _OUTPUT, _GRANTED, _LENT = range(8)
_FIELDS: Final = 8
_GENERATIONS: Final = 3
ELSEWHERE_CELLS: Final = len(Period) * _GENERATIONS * _FIELDS


class Lease(NamedTuple):
    """How much of a budget this machine may use, what it has used of it already included.

    Attributes:
        granted: for good, in billionths of a US dollar.
        lent: besides, while the store answers.
    """

    granted: int
    lent: int


class Spent(NamedTuple):
    """What was spent in one day or month, by somebody.

    Attributes:
        spent: billionths of a US dollar.
        held: the same, for calls under way; of others, what they have leased and not spent.
        calls: calls that have ended.
        input_tokens: of those.
        output_tokens: of those.
    """

    spent: int = 0
    held: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


NOTHING: Final = Spent()


class Elsewhere:
    """Of one row of a table.

    Args:
        cells: as many as `ELSEWHERE_CELLS`, zeros at first.
    """

    __slots__ = ("_cells",)

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def used(self, period: Period, number: int) -> int:
        """What was spent elsewhere, in billionths of a US dollar."""
        at, cells = _place(period, number), self._cells
        return int(cells[at + _SPENT]) if cells[at] == number else 0

    def held(self, period: Period, number: int) -> int:
        """What others have leased and not spent."""
        at, cells = _place(period, number), self._cells
        return int(cells[at + _HELD]) if cells[at] == number else 0

    def spent(self, period: Period, number: int) -> Spent:
        """All of it."""
        at, cells = _place(period, number), self._cells
        return Spent(*cells[at + _SPENT : at + _GRANTED]) if cells[at] == number else NOTHING

    def lease(self, period: Period, number: int) -> Lease | None:
        """What is leased; `None` as long as nobody has asked for it."""
        at, cells = _place(period, number), self._cells
        if cells[at] != number or not cells[at + _GRANTED]:
            return None
        return Lease(cells[at + _GRANTED] - 1, cells[at + _LENT])

    def tell(self, period: Period, number: int, spent: Spent) -> None:
        """Say what was spent elsewhere; of a day or month before those that are known, nothing."""
        at = self._begun(period, number)
        if at is not None:
            for offset, amount in enumerate(spent, _SPENT):
                self._cells[at + offset] = amount

    def grant(self, period: Period, number: int, lease: Lease) -> None:
        """Say what is leased."""
        at = self._begun(period, number)
        if at is not None:
            self._cells[at + _LENT] = lease.lent
            self._cells[at + _GRANTED] = lease.granted + 1  # 0 is nothing that was asked for

    def _begun(self, period: Period, number: int) -> int | None:
        at, cells = _place(period, number), self._cells
        if cells[at] > number:
            return None
        if cells[at] < number:
            for offset in range(1, _FIELDS):
                cells[at + offset] = 0
            cells[at] = number
        return at


def _place(period: Period, number: int) -> int:
    return (period * _GENERATIONS + number % _GENERATIONS) * _FIELDS
