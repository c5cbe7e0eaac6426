from hypothesis import given
from hypothesis import strategies as st

from headrace.sim.text import (
    WORDS,
    count_tokens,
    seeded_bytes,
    seeded_fraction,
    seeded_tokens,
    split_tokens,
)


def test_tokens_are_words_and_single_signs():
    assert split_tokens("Well, it's 3.5 km!") == [
        "Well", ",", " it", "'", "s", " 3", ".", "5", " km", "!",
    ]  # fmt: skip


def test_vocabulary_has_a_word_for_each_of_7_bits():
    assert len(set(WORDS)) == 128
    assert all(count_tokens(word) == 1 for word in WORDS)


@given(st.binary(max_size=300))
def test_generated_text_splits_into_the_tokens_it_was_made_of(drawn: bytes):
    tokens = seeded_tokens(drawn)
    assert len(tokens) == len(drawn)
    assert split_tokens("".join(tokens)) == tokens


@given(st.text())
def test_tokens_lose_nothing_but_white_space_at_the_end(text: str):
    assert "".join(split_tokens(text)) == text.rstrip()


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_seeded_bytes_depend_on_where_the_parts_end(one: list[bytes], other: list[bytes]):
    assert (seeded_bytes(16, *one) == seeded_bytes(16, *other)) == (one == other)


def test_seeded_fraction_is_uniform_and_repeatable():
    drawn = [seeded_fraction(7, b"x", n) for n in range(4000)]
    assert drawn == [seeded_fraction(7, b"x", n) for n in range(4000)]
    assert all(0 < value < 1 for value in drawn)
    assert abs(sum(drawn) / len(drawn) - 0.5) < 0.03
    assert drawn[:5] != [seeded_fraction(8, b"x", n) for n in range(5)]
