"""A worker's row of cells as metrics of OpenTelemetry: what was counted since it began. Pure."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from headrace.observe.cells import OTHER_PROVIDER
from headrace.observe.family import Family, Label
from headrace.observe.gen_ai_families import NO_ERROR, PREFIX, otel_label, otel_name
from headrace.observe.layout import Layout, Place


class Point(msgspec.Struct, frozen=True):
    """One series.

    Attributes:
        labels: names and values.
        value: of a counter or gauge; of a histogram the sum.
        counts: of a histogram, for each bucket by itself and for what is above all.
    """

    labels: tuple[tuple[str, str], ...]
    value: float
    counts: tuple[int, ...] = ()


class Reading(msgspec.Struct, frozen=True):
    """One metric with its series."""

    name: str
    unit: str
    family: Family
    points: tuple[Point, ...]


Read = Callable[[], list[Reading]]
"""Reads what there is to send now; from any thread."""


def read_row(
    layout: Layout, row: Sequence[float], before: Sequence[float], providers: Sequence[str]
) -> list[Reading]:
    """What a row says; series in which nothing was counted are left out.

    Args:
        layout: of the row.
        row: a copy of it.
        before: a copy of it from when the process began: a predecessor may have counted in it.
        providers: names by slot.
    """
    readings = []
    for place in layout.places:
        points = tuple(_points(place, row, before, providers))
        if points:
            readings.append(Reading(*otel_name(place.family), place.family, points))
    return readings


def _points(
    place: Place, row: Sequence[float], before: Sequence[float], providers: Sequence[str]
) -> Iterator[Point]:
    family = place.family
    is_gauge = family.kind == "gauge"
    keeps_zero = is_gauge and not family.is_sparse
    if not (keeps_zero or any(row[place.base : place.end])):
        return
    for index, values in place.each():
        end = index + place.stride
        cells = row[index:end]
        if not is_gauge:
            cells = [now - then for now, then in zip(cells, before[index:end], strict=True)]
        if not any(cells) and not (keeps_zero and _exists(family, values, providers)):
            continue
        *counts, value = cells
        labels = tuple(_named(family, values, providers))
        yield Point(labels, value, tuple(map(int, counts)))


def _exists(family: Family, values: Sequence[str], providers: Sequence[str]) -> bool:
    """Whether a series is of something that there is: slots without a provider are of nothing."""
    pairs = zip(family.labels, values, strict=True)
    return all(int(value) < len(providers) for label, value in pairs if label.slotted)


def _named(
    family: Family, values: Sequence[str], providers: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for label, value in zip(family.labels, values, strict=True):
        if not (family.name.startswith(PREFIX) and value == NO_ERROR):
            yield otel_label(family, label.name), _text(label, value, providers)


def _text(label: Label, value: str, providers: Sequence[str]) -> str:
    if not label.slotted:
        return value
    slot = int(value)
    return providers[slot] if slot < len(providers) else OTHER_PROVIDER
