"""Which cell of a row is which series: computed from the families, the same in every worker."""

import itertools
import math
from collections.abc import Iterator

from headrace.observe.cells import Row
from headrace.observe.families import FAMILIES
from headrace.observe.family import OTHER, Family, Label


class Place:
    """Where one family stands in a row: series after series, the last label fastest.

    A counter or gauge series is one cell. A histogram series is a cell per bucket (not cumulative),
    one for what is above all buckets, and one for the sum.

    Args:
        family: the family.
        base: its first cell.
    """

    def __init__(self, family: Family, base: int) -> None:
        self.family = family
        self.base = base
        self.stride = len(family.buckets) + 2 if family.kind == "histogram" else 1
        self.series = math.prod(len(label.values) for label in family.labels)
        self._offsets = tuple(self._offsets_of(position) for position in range(len(family.labels)))

    @property
    def end(self) -> int:
        """The cell after its last."""
        return self.base + self.series * self.stride

    def at(self, *values: str | int) -> int:
        """The first cell of the series with these label values, in the order of the labels.

        Raises:
            ValueError: not one value for each label, or a value the label does not have.
        """
        labels = self.family.labels
        if len(values) != len(labels):
            raise ValueError(f"{self.family.name} has {len(labels)} labels, not {len(values)}")
        parts = (self.offset(position, value) for position, value in enumerate(values))
        return self.base + sum(parts)

    def offset(self, position: int, value: str | int) -> int:
        """What `value` of the label at `position` adds to the index of a cell.

        Raises:
            ValueError: the label does not have the value, and no `other`.
        """
        offsets = self._offsets[position]
        found = offsets.get(str(value), offsets.get(OTHER))
        if found is None:
            label = self.family.labels[position]
            raise ValueError(f"{self.family.name}: {label.name} cannot be {value!r}")
        return found

    def each(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Every series as its first cell and its label values."""
        combinations = itertools.product(*(label.values for label in self.family.labels))
        return zip(range(self.base, self.end, self.stride), combinations, strict=True)

    def _offsets_of(self, position: int) -> dict[str, int]:
        following: tuple[Label, ...] = self.family.labels[position + 1 :]
        step = self.stride * math.prod(len(label.values) for label in following)
        values = self.family.labels[position].values
        return {value: at * step for at, value in enumerate(values)}


class Layout:
    """The places of all families in a row.

    Args:
        families: what to lay out; their names differ.
    """

    def __init__(self, families: tuple[Family, ...] = FAMILIES) -> None:
        places: dict[str, Place] = {}
        size = 0
        for family in families:
            if family.name in places:
                raise ValueError(f"two families are named {family.name}")
            places[family.name] = Place(family, size)
            size = places[family.name].end
        self.size = size
        self.places = tuple(places.values())
        self._by_name = places

    def place(self, name: str) -> Place:
        """The place of the family of that name.

        Raises:
            KeyError: there is no such family.
        """
        return self._by_name[name]

    def zero_gauges(self, cells: Row) -> None:
        """Forget how things were: for the row of a worker that has died or is about to start."""
        for place in self.places:
            if place.family.kind == "gauge":
                for index in range(place.base, place.end):
                    cells[index] = 0.0
