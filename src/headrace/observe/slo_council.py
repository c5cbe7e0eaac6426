"""What workers of one gateway agree upon about service levels, in cells that all of them see.

The eldest worker that lives decides, and the others go by it. Who that is follows from what
everybody has written of itself, so nobody has to be elected; what was decided outlives who did.
"""

from math import inf
from typing import Final, NamedTuple

from headrace.observe.cells import SLO_NAMES_MAX, Row

BEAT_S_MAX: Final = 5.0
"""Who has not been heard of for so long decides nothing."""
_WORKERS_MAX: Final = 256
_SEAT_CELLS: Final = 2
_SHARES_AT: Final = _WORKERS_MAX * _SEAT_CELLS
_SHARE_CELLS: Final = 3
# 0 is nobody's time: a clock may begin there.
_OFFSET_S: Final = 1.0


class Shares(NamedTuple):
    """How much gives way.

    Attributes:
        share: of all calls that may.
        low: of those of low priority and below.
        normal: of those of normal priority.
    """

    share: float = 0.0
    low: float = 0.0
    normal: float = 0.0


NOTHING: Final = Shares()


class Council:
    """One worker's place among all.

    Args:
        common: the cells, the same for all workers.
        worker: its number, from 0.
        workers: how many there are.
        now_s: when it began, monotonic seconds, the same for all processes of a machine.
    """

    def __init__(self, common: Row, worker: int, workers: int, now_s: float) -> None:
        self._common = common
        self._worker = worker
        self._workers = workers
        self._seat = worker * _SEAT_CELLS
        common[self._seat + 1] = 0.0  # its predecessor's
        common[self._seat] = now_s + _OFFSET_S

    def decides(self, now_s: float) -> bool:
        """Let the others know that this worker lives; whether it decides."""
        self._common[self._seat + 1] = now_s + _OFFSET_S
        eldest, since_s = self._worker, inf
        for worker in range(self._workers):
            began_s, beat_s = (self._common[worker * _SEAT_CELLS + at] for at in range(_SEAT_CELLS))
            is_alive = beat_s > 0 and now_s + _OFFSET_S - beat_s <= BEAT_S_MAX
            if is_alive and began_s < since_s:
                eldest, since_s = worker, began_s
        return eldest == self._worker

    def shares(self, slot: int) -> Shares:
        """What is decided for the service level of a slot."""
        at = _place(slot)
        return Shares(self._common[at], self._common[at + 1], self._common[at + 2])

    def decide(self, slot: int, shares: Shares) -> None:
        """Decide for it."""
        at = _place(slot)
        self._common[at], self._common[at + 1], self._common[at + 2] = shares

    def forget_others(self, slots: set[int]) -> None:
        """Nothing gives way for what is not among these."""
        for slot in range(SLO_NAMES_MAX + 1):
            if slot not in slots:
                self.decide(slot, NOTHING)


def _place(slot: int) -> int:
    return _SHARES_AT + slot * _SHARE_CELLS


COUNCIL_CELLS: Final = _place(SLO_NAMES_MAX + 1)
"""How many cells all of it takes; what follows is free for others."""
