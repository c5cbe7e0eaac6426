"""What the store knows of service levels, in cells that all workers of a gateway see.

A row of the store holds what one gateway has answered in one quarter of an hour. Whoever speaks
with the store tells the whole of the quarter so far, so that telling it twice is telling it once,
and hears what all gateways have told for each window. A worker adds to that what was counted since:
it needs no history of its own, and who dies takes nothing along.
"""

from math import ceil, floor
from typing import Final, NamedTuple

from headrace.observe.cells import SLO_NAMES_MAX, Row
from headrace.observe.slo_council import COUNCIL_CELLS
from headrace.observe.slo_history import Totals
from headrace.settings.slos import LEVELS_MAX, Slo, level_number

STEP_S: Final = 900.0
"""A row's time; windows are told to it."""
KNOWN_S_MAX: Final = 900.0
"""Who has not heard of the store for longer goes by what it has counted itself."""
KEPT_WINDOWS_S: Final = (21_600.0,)
"""Windows that are told of every level, besides its own."""

# Of all: the step that is told of, its round, and who tells of it.
_STEP_AT: Final = COUNCIL_CELLS
_LEVELS_AT: Final = _STEP_AT + 2
_LEVEL_CELLS: Final = 3
_SLOTS_AT: Final = _LEVELS_AT + LEVELS_MAX * _LEVEL_CELLS
_HEAD_CELLS: Final = 4
_WINDOW_CELLS: Final = 4
_SLOT_CELLS: Final = _HEAD_CELLS + (len(KEPT_WINDOWS_S) + 1) * _WINDOW_CELLS
KEPT_CELLS: Final = _SLOTS_AT + (SLO_NAMES_MAX + 1) * _SLOT_CELLS
"""Where the cells end."""
# 0 is nobody's time, and no level's number.
_OFFSET: Final = 1.0


class Heard(NamedTuple):
    """What the store has of one window.

    Attributes:
        good: answers that were good.
        every: all answers.
        age_s: how long ago the first of them may have been; 0 where there are none.
    """

    good: float
    every: float
    age_s: float


class SloKept:
    """The cells of all service levels. One worker of a gateway writes them, the one that decides.

    Args:
        common: the cells, the same for all workers.
    """

    def __init__(self, common: Row) -> None:
        self._common = common

    # What is told.

    def step(self, wall_s: float) -> int:
        """The quarter of an hour that is told of; the one that is, where none was yet."""
        common = self._common
        if common[_STEP_AT] == 0:
            common[_STEP_AT] = step_of(wall_s)
        return int(common[_STEP_AT])

    @property
    def round(self) -> int:
        """How often the clock was put back: steps that come again are told of in other rows."""
        return int(self._common[_STEP_AT + 1])

    def counted(self, slo: Slo, now: Totals) -> Totals:
        """What was counted in the step that is told of; nothing before a level is first asked
        about."""
        at = _LEVELS_AT + level_number(slo) * _LEVEL_CELLS
        common = self._common
        if not common[at]:
            common[at + 1], common[at + 2] = now.good, now.every
            common[at] = 1.0
        return Totals(now.at_s, now.good - common[at + 1], now.every - common[at + 2])

    def turn(self, told: dict[int, Totals], wall_s: float) -> None:
        """Tell of the step that is now, once the last one is told of to its end.

        Args:
            told: what was counted when that was told, by the number of the level.
            wall_s: the time, seconds since 1970.
        """
        common, now = self._common, step_of(wall_s)
        before = int(common[_STEP_AT])
        if now == before:
            return
        if now < before:
            common[_STEP_AT + 1] += 1.0
        common[_STEP_AT] = now
        for level in range(LEVELS_MAX):
            at = _LEVELS_AT + level * _LEVEL_CELLS
            totals = told.get(level)
            # What nobody asks about is begun anew when somebody does.
            common[at] = 0.0
            if totals is not None:
                common[at + 1], common[at + 2] = totals.good, totals.every
                common[at] = 1.0

    # What is heard.

    def hear(self, slo: Slo, slot: int, now: Totals, windows: list[Heard]) -> None:
        """What the store has of a level.

        Args:
            slo: what is declared.
            slot: where it is known.
            now: what was counted here when it was told last: that is part of what is heard.
            windows: of each of `windows_s`.
        """
        common, at = self._common, _slot(slot)
        common[at + 1] = 0.0  # nobody is to read half of it
        common[at] = now.at_s + _OFFSET
        common[at + 2], common[at + 3] = now.good, now.every
        for number, heard in enumerate(windows):
            cell = at + _HEAD_CELLS + number * _WINDOW_CELLS
            common[cell], common[cell + 1], common[cell + 2] = heard
            common[cell + 3] = windows_s(slo)[number]
        common[at + 1] = level_number(slo) + _OFFSET

    def over(self, slo: Slo, slot: int, window_s: float, now: Totals) -> Totals | None:
        """What all gateways have answered in a window, this one until now.

        Args:
            slo: what is declared.
            slot: where it is known.
            window_s: how long the window is.
            now: what is counted here.

        Returns:
            The counts, and since when; `None` where the store has not said it of late.
        """
        common, at = self._common, _slot(slot)
        heard_s = common[at] - _OFFSET
        is_known = common[at + 1] == level_number(slo) + _OFFSET
        if not is_known or now.at_s - heard_s > KNOWN_S_MAX:
            return None
        for number in range(len(KEPT_WINDOWS_S) + 1):
            cell = at + _HEAD_CELLS + number * _WINDOW_CELLS
            if common[cell + 3] == window_s:
                since_s = max(heard_s - common[cell + 2], now.at_s - window_s)
                good = common[cell] + max(now.good - common[at + 2], 0.0)
                every = common[cell + 1] + max(now.every - common[at + 3], 0.0)
                return Totals(since_s, good, every)
        return None

    def stored(self, slo: Slo, slot: int) -> int | None:
        """How many answers of a level's own window the store has, as was heard last."""
        at = _slot(slot)
        if self._common[at + 1] != level_number(slo) + _OFFSET:
            return None
        return round(self._common[at + _HEAD_CELLS + 1])


def windows_s(slo: Slo) -> tuple[float, ...]:
    """The windows that the store is asked for: that of the level itself comes first."""
    return (slo.window_s, *KEPT_WINDOWS_S)


def step_of(wall_s: float) -> int:
    """The quarter of an hour of a time."""
    return floor(wall_s / STEP_S)


def steps_in(window_s: float) -> int:
    """How many of them a window takes in, the one that is not over included."""
    return ceil(window_s / STEP_S)


def _slot(slot: int) -> int:
    return _SLOTS_AT + slot * _SLOT_CELLS
