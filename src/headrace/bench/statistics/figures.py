"""Nouns of the room: an interval, and the bounds of what callers may ask for."""

import math
from typing import Final

import msgspec

LEVEL: Final = 0.95
POWER: Final = 0.8


class Interval(msgspec.Struct, frozen=True):
    """Where a figure lies, as far as the runs tell.

    Attributes:
        low: its lower end.
        high: its upper end.
        level: how often intervals made this way hold the truth.
    """

    low: float
    high: float
    level: float = LEVEL

    def exp(self) -> "Interval":
        """The same interval of e to the figure."""
        return Interval(math.exp(self.low), math.exp(self.high), self.level)

    def negated(self) -> "Interval":
        """The same interval of the figure's negative."""
        return Interval(-self.high, -self.low, self.level)


def check_level(level: float) -> None:
    """Refuse a level that no interval can have.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level lies between 0 and 1, not {level}")
