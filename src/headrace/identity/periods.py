"""Days and months as a tenant's calendar has them. Pure.

A day begins with the first instant of its date and ends with the first instant of a later one, so
that every instant lies in exactly one day, whatever the clocks do: days of 23 and 25 hours, days
whose midnight there is twice or not at all, and dates that are left out.
"""

import enum
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import floor
from typing import Final, NamedTuple

_MONTHS: Final = 12
# No offset from UTC is larger, so a date begins within this of where it would in UTC.
_OFFSET_S_MAX: Final = 86_400


class Period(enum.IntEnum):
    """What amounts are counted for."""

    DAY = 0
    MONTH = 1

    @property
    def word(self) -> str:
        """What people call it."""
        return self.name.lower()


class Window(NamedTuple):
    """One day or one month.

    Attributes:
        number: of the day or the month; later ones have larger numbers.
        start_s: its first instant, seconds since the epoch.
        end_s: the first instant after it.
    """

    number: int
    start_s: float
    end_s: float


class Calendar:
    """The days and months of one time zone.

    Args:
        zone: the time zone.

    Attributes:
        zone: see above.
    """

    __slots__ = ("_windows", "zone")

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.zone = zone
        self._windows: list[Window | None] = [None, None]

    def window(self, period: Period, wall_s: float) -> Window:
        """The day or the month of an instant, seconds since the epoch."""
        known = self._windows[period]
        if known is None or not known.start_s <= wall_s < known.end_s:
            find = _day if period is Period.DAY else _month
            # Whole seconds: a datetime rounds to microseconds, and maybe into the next day.
            known = self._windows[period] = find(self.zone, floor(wall_s))
        return known


def _day(zone: tzinfo, wall_s: int) -> Window:
    day = datetime.fromtimestamp(wall_s, zone).date()
    # Where clocks are put back over midnight, a date comes a second time, when its end was there.
    while (end_s := _first_instant(day + timedelta(1), zone)) <= wall_s:
        day += timedelta(1)
    return Window(day.toordinal(), _first_instant(day, zone), end_s)


def _month(zone: tzinfo, wall_s: int) -> Window:
    local = datetime.fromtimestamp(wall_s, zone)
    number = local.year * _MONTHS + local.month - 1
    while (end_s := _first_instant(_first_day(number + 1), zone)) <= wall_s:
        number += 1
    return Window(number, _first_instant(_first_day(number), zone), end_s)


def _first_day(month: int) -> date:
    return date(month // _MONTHS, month % _MONTHS + 1, 1)


def _first_instant(day: date, zone: tzinfo) -> float:
    """When a date, or where it is left out a later one, begins."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    at_s = midnight.timestamp()
    if datetime.fromtimestamp(at_s, zone).replace(fold=0) == midnight.replace(fold=0):
        return at_s
    # There is no midnight: the date begins where clocks are put forward, at a whole second.
    low, high = int(at_s) - _OFFSET_S_MAX, int(at_s)
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date() < day:
            low = middle
        else:
            high = middle
    return float(high)
