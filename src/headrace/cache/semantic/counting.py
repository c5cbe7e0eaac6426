"""The numbers, units and dates of a question, found among its tokens. Pure."""

import re
from collections.abc import Callable
from typing import Final

from headrace.cache.semantic.quantities import (
    CARDINALS,
    DATES,
    FRACTIONS,
    LARGE_MONTHS,
    MONTHS,
    MULTIPLIERS,
    ORDINAL_ENDINGS,
    ORDINALS,
    PERIODS,
    POINTERS,
    ROMANS,
    SHORT_UNITS,
    SUFFIXES,
    UNITS,
    spoken_number,
)
from headrace.cache.semantic.tokens import Tokens

_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_NO_NUMBER_BEHIND: Final = frozenset(("which", "this", "that", "the", "no", "any", "every", "only"))
_CURRENCIES: Final = frozenset("$€£¥")
_MONTH_NAMES: Final = frozenset(MONTHS.values()) | frozenset(LARGE_MONTHS.values())

# The words that any method here may have something to do with.
COUNTED: Final = frozenset(
    (
        *CARDINALS, *ORDINALS, *FRACTIONS, *UNITS, *POINTERS, *DATES, *LARGE_MONTHS,
        *map(str.lower, ROMANS), "i", "fall",
    )
)  # fmt: skip


class Counting:
    """Notes numbers, units and dates. Methods take a place among the tokens, and say how many they
    used up: 0 where they found nothing.

    Args:
        tokens: of the whole text.
        on_content: told each number, unit and date, as a word that carries meaning.
    """

    __slots__ = ("_dates", "_lowers", "_numbers", "_on_content", "_raws", "_tokens", "_units")

    def __init__(self, tokens: Tokens, on_content: Callable[[str], None]) -> None:
        self._tokens = tokens
        self._lowers = tokens.lowers
        self._raws = tokens.raws
        self._on_content = on_content
        self._numbers: list[str] = []
        self._units: set[str] = set()
        self._dates: set[str] = set()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Every number, in one spelling, sorted."""
        numbers = self._numbers
        if self._dates and not self._dates.isdisjoint(_MONTH_NAMES):
            numbers = [number.removeprefix("#") for number in numbers]  # May 5th is May 5
        return tuple(sorted(numbers))

    @property
    def units(self) -> frozenset[str]:
        """The kinds of units."""
        return frozenset(self._units)

    @property
    def dates(self) -> frozenset[str]:
        """Months, weekdays, seasons and what points at others."""
        return frozenset(self._dates)

    def digits(self, at: int) -> int:
        """A number in digits, with what belongs to it."""
        raw = self._raws[at]
        day = _DAY.fullmatch(raw)
        if day is not None:
            year, month, date = day.groups()
            self._dates.add(f"m{int(month)}")
            self._number(year)
            self._number(str(int(date)))
            return 1
        used = self._measure(at, raw.replace(",", "") if _THOUSANDS.fullmatch(raw) else raw)
        before = self._lowers[at - 1] if at else ""
        if before in _CURRENCIES:
            self._on_content(UNITS[before])
        return used

    def sign(self, at: int) -> int:
        """A sign that is a unit: of a currency, per cent, degrees."""
        sign, following = self._raws[at], self._lower(at + 1)
        if sign not in UNITS:
            return 0
        self._units.add(UNITS[sign])
        if sign not in _CURRENCIES:
            self._on_content(UNITS[sign])
        if sign == "°" and following in {"c", "f"}:
            self._unit(SHORT_UNITS[following])
            return 2
        return 1

    def word(self, at: int, *, is_start: bool) -> int:
        """A number, unit or date in words; `is_start` says that every word is large there."""
        return self._spoken(at) or self._calendar(at, is_start=is_start)

    def date(self, word: str) -> bool:
        """A date that is written in letters and digits, such as `Q1`."""
        if word in DATES:
            self._date(DATES[word])
            return True
        return False

    def _measure(self, at: int, value: str) -> int:
        """Note a number with what belongs to it: `16th`, `40k`, `10 km`, `5 million`."""
        if not self._tokens.is_word(at + 1):
            self._number(value)
            return 1
        word = self._lowers[at + 1]
        if self._tokens.is_glued(at + 1):
            if word in ORDINAL_ENDINGS:
                self._number("#" + value)
                return 2
            if word in SUFFIXES:
                self._number(_multiplied(value, SUFFIXES[word]))
                return 2
            if word == "s":  # the 1980s
                self._number(value + "s")
                return 2
        if word in MULTIPLIERS:
            self._number(_multiplied(value, MULTIPLIERS[word]))
            return 2
        self._number(value)
        unit = SHORT_UNITS.get(word) or UNITS.get(word)
        if unit is None:
            return 1
        self._unit(unit)
        return 2

    def _spoken(self, at: int) -> int:
        word, raw = self._lowers[at], self._raws[at]
        if word in CARDINALS:
            if word == "one" and at and self._lowers[at - 1] in _NO_NUMBER_BEHIND:
                return 0
            value, used = spoken_number(self._lowers, at)
            self._number(str(value))
            return used
        if raw in ROMANS or (raw == "I" and at > 1 and self._raws[at - 1].istitle()):
            self._number(ROMANS.get(raw, "1"))
            return 1
        if word in ORDINALS or word in FRACTIONS:
            self._number(ORDINALS.get(word) or FRACTIONS[word])
            return 1
        if word in UNITS:
            self._unit(UNITS[word])
            return 1
        return 0

    def _calendar(self, at: int, *, is_start: bool) -> int:
        word = self._lowers[at]
        unit = UNITS.get(self._lower(at + 1))
        if word in POINTERS and unit in PERIODS:
            self._date(f"{POINTERS[word]}:{unit}")
            return 2
        date = DATES.get(word)
        if word in LARGE_MONTHS and self._raws[at][0].isupper() and not is_start:
            date = LARGE_MONTHS[word]
        if word == "fall" and at and self._lowers[at - 1] == "the":
            date = "autumn"
        if date is None:
            return 0
        self._date(date)
        return 1

    def _number(self, value: str) -> None:
        self._numbers.append(value)
        self._on_content(value)

    def _unit(self, unit: str) -> None:
        self._units.add(unit)
        self._on_content(unit)

    def _date(self, date: str) -> None:
        self._dates.add(date)
        self._on_content(date)

    def _lower(self, at: int) -> str:
        """A token in lower case, empty where there is none."""
        return self._lowers[at] if at < len(self._lowers) else ""


def _multiplied(value: str, times: int) -> str:
    try:
        return f"{float(value) * times:.10g}"
    except ValueError:  # a range, a ratio
        return f"{value}x{times}"
