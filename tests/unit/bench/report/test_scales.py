"""Scales: every figure has a place, in its order, and ticks that people read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.bench.report.scales import Scale, spanning
from headrace.bench.report.told import change, dollars, number, share

FIGURES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20)


@given(FIGURES, st.sampled_from(("linear", "log")))
def test_all_figures_have_a_place_in_their_order(values: list[float], kind: str) -> None:
    scale = spanning(values, 10.0, 110.0, kind=kind)  # type: ignore[arg-type]
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(10.0 <= place <= 110.0 for place in places)


@given(FIGURES, st.sampled_from(("linear", "log")))
def test_ticks_are_few_ascending_and_on_the_scale(values: list[float], kind: str) -> None:
    scale = spanning(values, 0.0, 100.0, kind=kind)  # type: ignore[arg-type]
    ticks = scale.ticks()
    assert 0 < len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    assert all(0.0 <= scale.at(tick) <= 100.0 for tick in ticks)


def test_each_nine_is_as_wide_as_the_one_before() -> None:
    scale = Scale(kind="nines", low=0.0, high=0.999, start=0.0, end=300.0)
    assert [scale.at(each) for each in (0.9, 0.99, 0.999)] == pytest.approx([100, 200, 300])


def test_what_has_no_place_is_left_out() -> None:
    scale = spanning([0.0, math.inf, math.nan, 2.0, 4.0], 0.0, 10.0, kind="log")
    assert 0 < scale.low < 2.0 < 4.0 < scale.high < 5.0


def test_nothing_at_all_has_a_scale_all_the_same() -> None:
    assert spanning([], 0.0, 10.0).ticks()
    assert spanning([], 0.0, 10.0, kind="log").ticks()


def test_one_figure_stands_inside() -> None:
    for kind in ("linear", "log"):
        scale = spanning([5.0], 0.0, 10.0, kind=kind)  # type: ignore[arg-type]
        assert 0.0 < scale.at(5.0) < 10.0


def test_what_begins_at_zero_begins_there() -> None:
    assert spanning([3.0, 7.0], 0.0, 10.0, hold=(0.0,)).low == 0.0


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (0.0, "0"), (1234.5, "1,234"), (0.01234, "0.0123"), (math.inf, "never")],
)
def test_numbers_have_as_many_digits_as_mean_something(value: float | None, told: str) -> None:
    assert number(value) == told


def test_what_changed_is_told_as_people_say_it() -> None:
    assert change(0.66) == "\u221234.0 %"
    assert change(1.006) == "+0.60 %"
    assert change(3.2) == "× 3.20"
    assert share(0.25) == "25.0 %"
    assert dollars(12345.6) == "$12,346"
    assert dollars(0.0123) == "$0.0123"
