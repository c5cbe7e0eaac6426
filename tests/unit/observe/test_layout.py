"""The layout: every series has cells of its own, and finds them again."""

from array import array

import pytest

from headrace.observe.families import FAMILIES, families_with
from headrace.observe.family import Family, Label
from headrace.observe.layout import Layout

COLOUR = Label("colour", ("red", "blue"))
SIZE = Label("size", ("s", "m", "other"))


def test_every_cell_belongs_to_one_series() -> None:
    layout = Layout()
    owned = [
        cell
        for place in layout.places
        for base, _ in place.each()
        for cell in range(base, base + place.stride)
    ]
    assert owned == list(range(layout.size))


def test_at_finds_what_each_lists() -> None:
    for place in Layout().places:
        for base, values in place.each():
            assert place.at(*values) == base


def test_a_histogram_series_is_its_buckets_the_rest_and_the_sum() -> None:
    place = Layout((Family("h", "H.", "histogram", (COLOUR,), (1.0, 2.0)),)).place("h")
    assert place.stride == 4
    assert place.at("blue") - place.at("red") == 4


def test_unknown_values_are_other_where_there_is_one_and_an_error_elsewhere() -> None:
    place = Layout((Family("c", "C.", "counter", (COLOUR, SIZE)),)).place("c")
    assert place.at("red", "xxl") == place.at("red", "other")
    with pytest.raises(ValueError, match="colour cannot be 'green'"):
        place.at("green", "s")
    with pytest.raises(ValueError, match="2 labels, not 1"):
        place.at("red")


def test_names_are_unique() -> None:
    family = Family("c", "C.", "counter")
    with pytest.raises(ValueError, match="two families"):
        Layout((family, family))


def test_the_gauges_are_all_the_gauges() -> None:
    layout = Layout((Family("c", "C.", "counter"), Family("g", "G.", "gauge", (SIZE,))))
    cells = array("d", [1.0] * layout.size)
    layout.zero_gauges(memoryview(cells))
    assert [at for at, cell in enumerate(cells) if not cell] == [1, 2, 3]


def test_families_follow_the_conventions() -> None:
    for family in FAMILIES:
        assert family.name.startswith(("headrace_", "process_"))
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert bool(family.buckets) == (family.kind == "histogram")
        assert list(family.buckets) == sorted(set(family.buckets))
        assert family.help.endswith(".")


def test_a_gateway_tells_of_no_broker_whose_messages_others_take() -> None:
    told = {family.name for family in families_with(())}
    untold = {family.name for family in FAMILIES} - told
    assert untold == {name for name in untold if name.startswith("headrace_amqp_")} != set()
    assert not any(name.startswith("headrace_amqp_") for name in told)


def test_the_whole_board_stays_small() -> None:
    assert Layout().size < 11_264
