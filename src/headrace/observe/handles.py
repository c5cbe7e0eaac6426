"""Typed handles on the cells of one row: what the hot path holds.

`at()` finds the index of a series and is called once, at start; counting takes the index.
"""

from bisect import bisect_left
from collections.abc import Iterable

from headrace.observe.cells import Row
from headrace.observe.layout import Place


class Counter:
    """Series that only grow."""

    __slots__ = ("_cells", "place")

    def __init__(self, cells: Row, place: Place) -> None:
        self._cells = cells
        self.place = place

    def at(self, *values: str | int) -> int:
        """The index of the series with these label values.

        Raises:
            ValueError: a label does not have the value.
        """
        return self.place.at(*values)

    def add(self, index: int, amount: float = 1.0) -> None:
        """Count `amount` more in the series at `index`."""
        self._cells[index] += amount

    def increment(self, amount: float = 1.0) -> None:
        """Count `amount` more in the only series of a family without labels."""
        self._cells[self.place.base] += amount


class Gauge:
    """Series that say how things are now."""

    __slots__ = ("_cells", "place")

    def __init__(self, cells: Row, place: Place) -> None:
        self._cells = cells
        self.place = place

    def at(self, *values: str | int) -> int:
        """The index of the series with these label values.

        Raises:
            ValueError: a label does not have the value.
        """
        return self.place.at(*values)

    def set_at(self, index: int, value: float) -> None:
        """The series at `index` is now `value`."""
        self._cells[index] = value

    def set(self, value: float) -> None:
        """The only series of a family without labels is now `value`."""
        self._cells[self.place.base] = value

    def shift(self, amount: float) -> None:
        """The only series of a family without labels is now `amount` more, or less."""
        self._cells[self.place.base] += amount


class Histogram:
    """Series of durations in buckets."""

    __slots__ = ("_bounds", "_cells", "_sum", "place")

    def __init__(self, cells: Row, place: Place) -> None:
        self._cells = cells
        self._bounds = place.family.buckets
        self._sum = place.stride - 1
        self.place = place

    def at(self, *values: str | int) -> int:
        """The base index of the series with these label values.

        Raises:
            ValueError: a label does not have the value.
        """
        return self.place.at(*values)

    def observe(self, base: int, seconds: float) -> None:
        """Count one duration in the series at `base`."""
        cells = self._cells
        cells[base + bisect_left(self._bounds, seconds)] += 1.0
        cells[base + self._sum] += seconds

    def observe_ms(self, bases: Iterable[int], times_ms: Iterable[float]) -> None:
        """Count many durations, in milliseconds, each in the series at its own base."""
        cells, bounds, to_sum = self._cells, self._bounds, self._sum
        for base, time_ms in zip(bases, times_ms):  # noqa: B905  # the hot loop; equal by make
            seconds = time_ms * 0.001
            cells[base + bisect_left(bounds, seconds)] += 1.0
            cells[base + to_sum] += seconds
