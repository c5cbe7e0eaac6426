"""The text format in detail."""

import math

import pytest

from headrace.observe.exposition import render
from headrace.observe.family import Family, Label, Merge
from headrace.observe.layout import Layout

COLOUR = Label("colour", ("red", 'a"b\\c\nd'))
SLOT = Label("provider", tuple(str(slot) for slot in range(33)), slotted="provider")


def rendered(family: Family, *rows: list[float], providers: tuple[str, ...] = ()) -> str:
    return render(Layout((family,)), rows, providers).decode()


def test_help_and_labels_are_escaped() -> None:
    family = Family("c_total", "One\\two\nthree.", "counter", (COLOUR,))
    assert rendered(family, [0.0, 1.0]) == (
        "# HELP c_total One\\\\two\\nthree.\n"
        "# TYPE c_total counter\n"
        'c_total{colour="a\\"b\\\\c\\nd"} 1\n'
    )


def test_untouched_series_of_labelled_families_are_left_out() -> None:
    family = Family("c_total", "C.", "counter", (COLOUR,))
    assert rendered(family, [2.0, 0.0]).splitlines()[2:] == ['c_total{colour="red"} 2']
    assert rendered(family, [0.0, 0.0]).splitlines()[2:] == []
    assert rendered(Family("c_total", "C.", "counter"), [0.0]).splitlines()[2:] == ["c_total 0"]


def test_untouched_series_of_families_that_are_told_whole_are_there() -> None:
    family = Family("c_total", "C.", "counter", (Label("end", ("a", "b")),), is_whole=True)
    assert rendered(family, [0.0, 0.0]).splitlines()[2:] == [
        'c_total{end="a"} 0',
        'c_total{end="b"} 0',
    ]


def test_an_untouched_histogram_without_labels_is_shown_as_zeros() -> None:
    assert rendered(Family("h", "H.", "histogram", (), (1.0,)), [0.0] * 3).splitlines()[2:] == [
        'h_bucket{le="1.0"} 0',
        'h_bucket{le="+Inf"} 0',
        "h_sum 0",
        "h_count 0",
    ]


def test_gauges_are_shown_when_they_are_zero_but_not_for_providers_that_are_not() -> None:
    family = Family("g", "G.", "gauge", (SLOT,))
    text = rendered(family, [0.0] * 33, providers=("openai",))
    assert text.splitlines()[2:] == ['g{provider="openai"} 0', 'g{provider="other"} 0']


@pytest.mark.parametrize(("merge", "merged"), [("sum", "12"), ("min", "5"), ("max", "7")])
def test_rows_are_merged_as_the_family_says(merge: Merge, merged: str) -> None:
    family = Family("g", "G.", "gauge", merge=merge)
    assert rendered(family, [5.0], [0.0], [7.0]).splitlines()[2:] == [f"g {merged}"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (3.0, "3"),
        (2.0**60, "1.152921504606847e+18"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert rendered(Family("g", "G.", "gauge"), [value]).splitlines()[2:] == [f"g {text}"]


def test_a_sparse_gauge_leaves_zeros_out() -> None:
    family = Family("g", "G.", "gauge", (COLOUR,), is_sparse=True)
    assert rendered(family, [0.5, 0.0]).splitlines()[2:] == ['g{colour="red"} 0.5']
    assert rendered(family, [0.0, 0.0]).splitlines()[2:] == []
