"""Whatever is counted, by however many workers, can be read back from the exposition."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from headrace.observe.exposition import render
from headrace.observe.family import Family, Label
from headrace.observe.layout import Layout

Labels = tuple[tuple[str, str | None], ...]
Samples = dict[tuple[str, Labels], float]

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_META = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.*)")
_UNESCAPED = {r"\"": '"', r"\\": "\\", r"\n": "\n"}

COLOUR = Label("colour", ("red", "green", "blue"))
SHAPE = Label("shape", ("round", "square"))
SLOT = Label("provider", tuple(map(str, range(33))), slotted="provider")
FAMILIES = (
    Family("t_calls_total", "Calls.", "counter"),
    Family("t_labelled_total", "By two.", "counter", (COLOUR, SHAPE)),
    Family("t_bytes", "Bytes.", "gauge"),
    Family("t_provider_total", "By provider.", "counter", (SLOT,)),
    Family("t_wait_seconds", "Wait.", "histogram", (SHAPE,), (0.1, 1.0, 10.0)),
)


def parsed(text: str) -> tuple[Samples, dict[str, str]]:
    """Samples and types of an exposition; anything out of the format is an assertion error."""
    assert text.endswith("\n")
    samples: Samples = {}
    types: dict[str, str] = {}
    current = ""
    for line in text[:-1].split("\n"):
        if meta := _META.fullmatch(line):
            word, current, rest = meta.groups()
            if word == "TYPE":
                assert current not in types
                types[current] = rest
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, line
        name, labels, value = sample.groups()
        assert re.fullmatch(rf"{current}(_bucket|_sum|_count)?", name)
        key = (name, labels_of(labels or ""))
        assert key not in samples
        samples[key] = float(value)
    return samples, types


def labels_of(text: str) -> Labels:
    pairs: list[tuple[str, str | None]] = []
    at = 0
    while at < len(text):
        found = _LABEL.match(text, at)
        assert found, text
        value = re.sub(r'\\["\\n]', lambda escape: _UNESCAPED[escape.group()], found.group(2))
        pairs.append((found.group(1), value))
        at = found.end()
    return tuple(pairs)


def shown(label: Label, value: str, providers: list[str]) -> str | None:
    """A label's value as it is shown; None for a slot that has no provider."""
    if not label.slotted:
        return value
    slot = int(value)
    return "other" if slot == 32 else providers[slot] if slot < len(providers) else None


counts = st.integers(0, 2**40).map(float)
provider_names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda n: n != "other"),
    unique=True,
    max_size=32,
)


@st.composite
def boards(draw: st.DrawFn) -> tuple[Layout, list[list[float]]]:
    layout = Layout(FAMILIES)
    # Most cells of a real board are zero.
    row = st.dictionaries(st.integers(0, layout.size - 1), counts, max_size=30)
    rows = [[0.0] * layout.size for _ in range(draw(st.integers(1, 4)))]
    for cells in rows:
        for index, value in draw(row).items():
            cells[index] = value
    return layout, rows


@given(boards(), provider_names)
def test_it_reads_back_as_the_sum_of_the_rows(
    board: tuple[Layout, list[list[float]]], providers: list[str]
) -> None:
    layout, rows = board
    samples, types = parsed(render(layout, rows, providers).decode())
    assert types == {family.name: family.kind for family in FAMILIES}
    expected: Samples = {}
    for place in layout.places:
        if place.family.kind == "histogram":
            continue
        for index, values in place.each():
            labels = tuple(
                (label.name, shown(label, value, providers))
                for label, value in zip(place.family.labels, values, strict=True)
            )
            total = sum(row[index] for row in rows)
            exists = all(text is not None for _, text in labels)
            if exists and (total or not labels):
                expected[place.family.name, labels] = total
    plain = {key: value for key, value in samples.items() if not key[0].startswith("t_wait")}
    assert plain == expected


@given(boards())
def test_histograms_are_cumulative_and_complete(
    board: tuple[Layout, list[list[float]]],
) -> None:
    layout, rows = board
    samples, _ = parsed(render(layout, rows).decode())
    place = layout.place("t_wait_seconds")
    for base, (shape,) in place.each():
        cells = [sum(row[base + offset] for row in rows) for offset in range(place.stride)]
        labels = (("shape", shape),)
        if not any(cells[:-1]):
            assert ("t_wait_seconds_count", labels) not in samples
            continue
        buckets = [
            (float(dict(key[1])["le"] or "nan"), value)
            for key, value in samples.items()
            if key[0] == "t_wait_seconds_bucket" and key[1][:1] == labels
        ]
        assert [edge for edge, _ in buckets] == [0.1, 1.0, 10.0, math.inf]
        values = [value for _, value in buckets]
        assert values == sorted(values)
        assert values == [sum(cells[: last + 1]) for last in range(4)]
        assert samples["t_wait_seconds_count", labels] == values[-1]
        assert samples["t_wait_seconds_sum", labels] == cells[-1]
