"""Rows of cells as Prometheus text, format 0.0.4. Pure: it may run on any thread."""

import math
from collections.abc import Iterator, Mapping, Sequence

from headrace.observe.cells import OTHER_NAME, PROVIDERS_MAX
from headrace.observe.family import Family, Label, Slotted
from headrace.observe.layout import Layout, Place

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_EXACT_MAX = 2.0**53


SlotNames = Mapping[Slotted, Mapping[int, str]]
"""The names of slots that are told, by what they are names of."""


def render(
    layout: Layout,
    rows: Sequence[Sequence[float]],
    providers: Sequence[str] = (),
    slos: Mapping[int, str] | None = None,
) -> bytes:
    """The exposition of all families, merged over workers.

    Series of labelled counters and histograms that nothing was counted in are left out, except
    those of families that are told whole, and so are series of providers that do not exist.

    Args:
        layout: the layout of the rows.
        rows: a copy of each worker's row; at least one.
        providers: the providers' names by slot.
        slos: the names of the service levels that are declared, by their slots.
    """
    cells = _merged(layout, rows)
    named = dict(enumerate(providers[:PROVIDERS_MAX])) | {PROVIDERS_MAX: OTHER_NAME}
    names: SlotNames = {"provider": named, "slo": slos or {}}
    lines: list[str] = []
    for place in layout.places:
        family = place.family
        lines.append(f"# HELP {family.name} {_escaped_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        append = _append_histogram if family.kind == "histogram" else _append_plain
        append(lines, place, cells, names)
    lines.append("")
    return "\n".join(lines).encode()


def _merged(layout: Layout, rows: Sequence[Sequence[float]]) -> list[float]:
    if len(rows) == 1:
        return list(rows[0])
    cells = [sum(values, 0.0) for values in zip(*rows, strict=True)]
    for place in layout.places:
        if place.family.merge != "sum":
            choose = min if place.family.merge == "min" else max
            for index in range(place.base, place.end):
                # Zero is a worker that has not spoken yet, not the smallest of all.
                cells[index] = choose((row[index] for row in rows if row[index]), default=0.0)
    return cells


def _append_plain(lines: list[str], place: Place, cells: Sequence[float], slots: SlotNames) -> None:
    family = place.family
    is_plain_gauge = family.kind == "gauge" and not family.is_sparse
    keep_zero = is_plain_gauge or family.is_whole or not family.labels
    if not keep_zero and not any(cells[place.base : place.end]):
        return
    for index, labels in _series(place, slots):
        value = cells[index]
        if value or keep_zero:
            braced = f"{{{labels}}}" if labels else ""
            lines.append(f"{family.name}{braced} {_number(value)}")


def _append_histogram(
    lines: list[str], place: Place, cells: Sequence[float], slots: SlotNames
) -> None:
    family = place.family
    if family.labels and not any(cells[place.base : place.end]):
        return
    edges = [*map(repr, family.buckets), "+Inf"]
    for base, labels in _series(place, slots):
        counts = cells[base : base + len(edges)]
        if family.labels and not any(counts):
            continue
        head = f'{family.name}_bucket{{{labels}{"," if labels else ""}le="'
        total = 0.0
        for edge, count in zip(edges, counts, strict=True):
            total += count
            lines.append(f'{head}{edge}"}} {total:.0f}')
        braced = f"{{{labels}}}" if labels else ""
        lines.append(f"{family.name}_sum{braced} {_number(cells[base + len(edges)])}")
        lines.append(f"{family.name}_count{braced} {total:.0f}")


def _series(place: Place, slots: SlotNames) -> Iterator[tuple[int, str]]:
    """Every series that can exist, as its first cell and its labels in text."""
    names = _texts(place.family, slots)
    for index, values in place.each():
        texts = [known.get(value) for known, value in zip(names, values, strict=True)]
        if None not in texts:
            yield index, ",".join(texts)  # type: ignore[arg-type]


def _texts(family: Family, slots: SlotNames) -> list[dict[str, str]]:
    """For each label, its values as `name="value"`; slots without a name are missing."""
    return [
        {value: f'{label.name}="{_escaped_value(text)}"' for value, text in _named(label, slots)}
        for label in family.labels
    ]


def _named(label: Label, slots: SlotNames) -> Iterator[tuple[str, str]]:
    if label.slotted is None:
        yield from zip(label.values, label.values, strict=True)
    else:
        yield from ((str(slot), name) for slot, name in slots[label.slotted].items())


def _number(value: float) -> str:
    if math.isfinite(value):
        whole = int(value)
        return str(whole) if whole == value and abs(value) < _EXACT_MAX else repr(value)
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escaped_value(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
