"""From figures to places: linear, logarithmic, and by nines, with ticks that people read. Pure."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

_STEPS: Final = (1.0, 2.0, 5.0, 10.0)
_LOG_STEPS: Final = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))
_FINE: Final = (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
_TICKS_LEAST: Final = 3
_ROOM: Final = 0.06
_NINES_MOST: Final = 1 - 1e-6


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """Where figures stand.

    Attributes:
        kind: `nines` is for shares: each nine more takes the same room.
        low: the least figure.
        high: the most.
        start: where the least stands.
        end: where the most stands.
    """

    kind: Literal["linear", "log", "nines"]
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a figure stands; one beyond either end stands there."""
        low, high = _bent(self.kind, self.low), _bent(self.kind, self.high)
        share = (_bent(self.kind, value) - low) / (high - low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a figure is on it."""
        return self.low <= value <= self.high

    def ticks(self, most: int = 6) -> list[float]:
        """Figures worth a mark, at most so many."""
        if self.kind == "nines":
            nines = [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999]
            return [each for each in nines if self.holds(each)]
        found = _log_ticks(self.low, self.high, most) if self.kind == "log" else []
        return found or _even_ticks(self.low, self.high, most)


def spanning(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    kind: Literal["linear", "log"] = "linear",
    hold: Sequence[float] = (),
) -> Scale:
    """A scale with room for all values and a little more.

    Args:
        values: figures; those that have no place (infinite, or 0 on a logarithmic scale) are left
            out.
        start: where the least stands.
        end: where the most stands.
        kind: of the scale.
        hold: further figures that have to be on it, such as 0.
    """
    least = 0.0 if kind == "log" else -math.inf
    told = [each for each in (*values, *hold) if math.isfinite(each) and each > least]
    low, high = (min(told), max(told)) if told else (1.0, 2.0)
    if kind == "log":
        room = max((high / low) ** _ROOM, 1.02)
        return Scale(kind=kind, low=low / room, high=high * room, start=start, end=end)
    room = (high - low) * _ROOM or abs(high) * _ROOM or 1.0
    # What begins at zero begins there.
    low = low if low in hold else low - room
    return Scale(kind=kind, low=low, high=high + room, start=start, end=end)


def _bent(kind: str, value: float) -> float:
    if kind == "log":
        return math.log(max(value, 1e-12))
    if kind == "nines":
        return -math.log10(1.0 - min(value, _NINES_MOST))
    return value


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(s * size for s in _STEPS if s * size >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """The fewest steps of a decade that give enough marks; none where even fine ones do not."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    best: list[float] = []
    for steps in (*_LOG_STEPS, _FINE):
        found = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(found) > most:
            break
        best = found
    return best if len(best) >= _TICKS_LEAST else []
