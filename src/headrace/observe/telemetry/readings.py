"""A worker's row of cells as metrics of OpenTelemetry: what was counted since it began. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from headrace.observe.cells import OTHER_NAME
from headrace.observe.family import Family, Label, Slotted
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


Names = Mapping[Slotted, Sequence[str]]
"""The names of slots, by what they are names of."""


def read_row(
    layout: Layout,
    row: Sequence[float],
    before: Sequence[float],
    providers: Sequence[str],
    slos: Sequence[str] = (),
) -> list[Reading]:
    """What a row says; series in which nothing was counted are left out, but for alarms.

    Args:
        layout: of the row.
        row: a copy of it.
        before: a copy of it from when the process began: a predecessor may have counted in it.
        providers: names by slot.
        slos: names of service levels by slot.
    """
    names: Names = {"provider": providers, "slo": slos}
    readings = []
    for place in layout.places:
        points = tuple(_points(place, row, before, names))
        if points:
            readings.append(Reading(*otel_name(place.family), place.family, points))
    return readings


def _points(
    place: Place, row: Sequence[float], before: Sequence[float], names: Names
) -> Iterator[Point]:
    family = place.family
    is_gauge = family.kind == "gauge"
    keeps_zero = family.is_whole or (is_gauge and not family.is_sparse)
    if not (keeps_zero or any(row[place.base : place.end])):
        return
    for index, values in place.each():
        end = index + place.stride
        cells = row[index:end]
        if not is_gauge:
            cells = [now - then for now, then in zip(cells, before[index:end], strict=True)]
        if not any(cells) and not (keeps_zero and _exists(family, values, names)):
            continue
        *counts, value = cells
        labels = tuple(_named(family, values, names))
        yield Point(labels, value, tuple(map(int, counts)))


def _exists(family: Family, values: Sequence[str], names: Names) -> bool:
    """Whether zeros are told of a series: slots without a name are of nothing, and of service
    levels one worker tells for all."""
    for label, value in zip(family.labels, values, strict=True):
        if label.slotted == "slo":
            return False
        if label.slotted is not None and int(value) >= len(names[label.slotted]):
            return False
    return True


def _named(family: Family, values: Sequence[str], names: Names) -> Iterator[tuple[str, str]]:
    for label, value in zip(family.labels, values, strict=True):
        if not (family.name.startswith(PREFIX) and value == NO_ERROR):
            yield otel_label(family, label.name), _text(label, value, names)


def _text(label: Label, value: str, names: Names) -> str:
    if label.slotted is None:
        return value
    slot, known = int(value), names[label.slotted]
    return known[slot] if slot < len(known) else OTHER_NAME
