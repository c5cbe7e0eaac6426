"""From texts to buckets: bounded, the same each time, and sensitive to what matters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.routing.intent.features import (
    BUCKETS,
    CHARS_MAX,
    WHOLE_CHARS_MAX,
    excerpt,
    pieces,
    read_features,
)

anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)


@given(anything)
def test_every_text_has_sorted_buckets_within_bounds(text: str) -> None:
    buckets, values = read_features(text)
    assert len(buckets) == len(values)
    assert (np.diff(buckets) > 0).all()
    assert not len(buckets) or (buckets[0] >= 0 and buckets[-1] < BUCKETS)
    assert (values > 0).all()


@given(anything)
def test_the_same_text_has_the_same_buckets(text: str) -> None:
    first, second = read_features(text), read_features(text)
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()


@pytest.mark.parametrize("text", ["", " ", "\n\n", "?!", "...", "\u2026\u2014"])
def test_what_has_no_words_has_no_buckets(text: str) -> None:
    assert len(read_features(text)[0]) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cancel my ORDER", "cancel my order"),
        ("cancel, my - order!", "cancel my order"),
        ("  cancel\nmy\torder ", "cancel my order"),
        ("\u201ccancel my order\u201d", "cancel my order"),
    ],
)
def test_case_and_punctuation_do_not_count(one: str, other: str) -> None:
    assert (read_features(one)[0] == read_features(other)[0]).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order cancel", "cancel order"),
        ("no order", "on order"),
        ("übersetzen", "ubersetzen"),
        ("翻译", "译翻"),
        ("ab", "ba"),
    ],
)
def test_order_and_letters_count(one: str, other: str) -> None:
    assert set(read_features(one)[0]) != set(read_features(other)[0])


def test_a_short_and_a_long_text_are_counted_alike() -> None:
    # Few buckets are sorted, many are counted: both give the same numbers.
    text = "the quick brown fox jumps over the lazy dog "
    once, often = read_features(text), read_features(text * 60)
    assert set(once[0]) <= set(often[0])
    assert len(often[0]) < len(once[0]) + 20


def test_long_texts_are_read_at_both_ends() -> None:
    text = "a" * CHARS_MAX + "b" * 10_000_000 + "c" * CHARS_MAX
    read = excerpt(text)
    assert len(read) == CHARS_MAX + 1
    assert set(read) == {"a", "c", "\n"}
    assert excerpt("a" * CHARS_MAX) == "a" * CHARS_MAX


def test_short_texts_are_read_whole() -> None:
    assert pieces("  one\ntwo  ") == ("one\ntwo",)
    assert pieces("") == ("",)
    assert pieces("a" * WHOLE_CHARS_MAX) == ("a" * WHOLE_CHARS_MAX,)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("Sum it up.\n{}\nIn German!", "Sum it up.", "In German!"),
        ("Please sum up the text below: {}", "Please sum up the text below:", None),
        ("{} Now sum up what I wrote above.", None, " Now sum up what I wrote above."),
    ],
)
def test_of_long_texts_the_lines_at_the_ends_are_read(
    text: str, first: str | None, last: str | None
) -> None:
    read = pieces(text.format(("word " * 2000).strip() + "."))
    assert len(read) == 2
    assert first is None or read[0] == first
    assert last is None or read[1] == last


@given(anything, st.integers(0, 3000))
def test_pieces_are_parts_of_the_text_and_short(text: str, more: int) -> None:
    long = text + "x " * more + text
    for piece in pieces(long):
        assert len(piece) <= WHOLE_CHARS_MAX
        assert piece in excerpt(long)


def test_halves_of_characters_are_read_like_any() -> None:
    assert len(read_features("\ud800 refund \udfff")[0]) > 0
