"""Times in cron's five fields, and every so often. Pure; all times are UTC.

The fields are those of crontab(5): minute, hour, day of the month, month, day of the week. As
there, where both days are restricted either will do, and a field that begins with `*` restricts
nothing.
"""

import re
from collections.abc import Sequence
from datetime import date
from math import floor
from typing import Final, NamedTuple

import msgspec

_MINUTES_A_DAY: Final = 1440
_EPOCH: Final = date(1970, 1, 1).toordinal()
# A 29th of February on a given weekday comes again within 40 years, also where a century has none.
_DAYS_AHEAD_MAX: Final = 41 * 366

_ITEM: Final = re.compile(r"(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?")


class _Field(NamedTuple):
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun")
_LATER_MONTHS: Final = ("jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS + _LATER_MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


class Cron(msgspec.Struct, frozen=True):
    """What five fields say, each as the numbers it allows in ascending order.

    Attributes:
        weekdays: 0 is Sunday.
        takes_either_day: whether a day of the month or a day of the week is enough.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    takes_either_day: bool

    def next_s(self, after_s: float) -> float:
        """The first such minute that begins after a time, both in seconds since the epoch.

        Raises:
            ValueError: there is none, such as a 31st of February.
        """
        ahead, minute = divmod(floor(after_s / 60) + 1, _MINUTES_A_DAY)
        for day in range(ahead, ahead + _DAYS_AHEAD_MAX):
            if self._allows(date.fromordinal(_EPOCH + day)):
                found = self._minute_from(minute)
                if found is not None:
                    return 60.0 * (day * _MINUTES_A_DAY + found)
            minute = 0
        raise ValueError("no day is like that")

    def _allows(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        is_day, is_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return is_day or is_weekday if self.takes_either_day else is_day and is_weekday

    def _minute_from(self, first: int) -> int | None:
        """The first minute of a day that is not before one."""
        for hour in self.hours:
            for minute in self.minutes:
                if 60 * hour + minute >= first:
                    return 60 * hour + minute
        return None


class Every(msgspec.Struct, frozen=True):
    """Times at equal distances, the same on every machine.

    Attributes:
        period_s: the distance in seconds; above 0.
    """

    period_s: float

    def next_s(self, after_s: float) -> float:
        """The first multiple of the period after a time, both in seconds since the epoch."""
        next_s = (floor(after_s / self.period_s) + 1) * self.period_s
        return next_s if next_s > after_s else after_s + self.period_s


def parse_cron(text: str) -> Cron:
    """Read five fields.

    Raises:
        ValueError: they cannot be read, or never come; the message says why.
    """
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            "expected five fields, minute, hour, day of the month, month, day of the week, "
            f"such as 0 4 * * *; found {len(parts)}"
        )
    minutes, hours, days, months, weekdays = map(_numbers, _FIELDS, parts)
    cron = Cron(
        minutes,
        hours,
        days,
        months,
        tuple(sorted({weekday % 7 for weekday in weekdays})),
        takes_either_day=not (parts[2].startswith("*") or parts[4].startswith("*")),
    )
    cron.next_s(0.0)
    return cron


def cron_problem(text: str) -> str | None:
    """What keeps `text` from being five fields."""
    try:
        parse_cron(text)
    except ValueError as error:
        return str(error)
    return None


def _numbers(field: _Field, text: str) -> tuple[int, ...]:
    return tuple(sorted({n for item in text.split(",") for n in _item(field, item)}))


def _item(field: _Field, text: str) -> Sequence[int]:
    found = _ITEM.fullmatch(text)
    if found is None:
        raise ValueError(f"{field.name}: expected a number, a range such as 1-5, * or */15")
    start, end, step = found.groups()
    is_single = start != "*" and end is None
    if (start == "*" and end is not None) or (is_single and step is not None):
        raise ValueError(f"{field.name}: a step follows * or a range, such as */15 or 0-30/10")
    if step is not None and int(step) == 0:
        raise ValueError(f"{field.name}: a step is at least 1")
    first = field.first if start == "*" else _number(field, start)
    last = first if is_single else field.last if end is None else _number(field, end)
    if first > last:
        raise ValueError(f"{field.name}: a range begins with its smaller end")
    return range(first, last + 1, int(step or 1))


def _number(field: _Field, text: str) -> int:
    number = int(text) if text.isdigit() else -1
    if text in field.names:
        number = field.names.index(text) + field.first
    if not field.first <= number <= field.last:
        names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise ValueError(f"{field.name}: expected {field.first} to {field.last}{names}")
    return number
