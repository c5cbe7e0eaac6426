"""Whatever is asked, guards treat both questions alike, know a text from itself, and never fail."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.semantic.guards import ALL_GUARDS, GUARDS, object_to
from headrace.cache.semantic.reading import read

TEXT = (
    "how do i not convert 5 miles to from Paris London Bern's and or by the of in 2020 May $ 10% "
    "`x=1` \"quoted\" 'one' never on off is was who why what, : . ? Wi-Fi e-mail -la f() a_b II I "
    "second two hundred third what's don't l'eau nicht wie ist das 什么 не что"
)
WORDS = st.sampled_from(TEXT.split())
QUESTIONS = st.lists(WORDS, max_size=12).map(" ".join)
TEXTS = st.text(max_size=60) | QUESTIONS
SUBJECTS = st.sampled_from(("Bern", "the river", "a horse", "my invoice", "`x`"))


@given(TEXTS)
def test_a_text_agrees_with_itself(text: str) -> None:
    assert object_to(read(text), read(text), ALL_GUARDS) is None


@given(TEXTS, TEXTS)
def test_each_guard_is_symmetric(one: str, other: str) -> None:
    first, second = read(one), read(other)
    for guard in GUARDS:
        objects = object_to(first, second, (guard,)) is not None
        assert (object_to(second, first, (guard,)) is not None) is objects


@given(SUBJECTS, st.integers(2, 10**9), st.integers(2, 10**9))
def test_other_numbers_never_pass(subject: str, one: int, other: int) -> None:
    asked = [read(f"Is {number} enough for {subject}?") for number in (one, other)]
    assert (object_to(*asked, ("numbers",)) is None) is (one == other)


@given(SUBJECTS, st.sampled_from(("not", "never", "no longer")))
def test_negation_never_passes(subject: str, negation: str) -> None:
    plain, negated = read(f"Why is {subject} blue?"), read(f"Why is {subject} {negation} blue?")
    assert object_to(plain, negated, ("negation",)) is not None


@given(st.lists(WORDS, min_size=1, max_size=12), st.sampled_from(("umbrella", "violin", "comet")))
def test_a_word_more_raises_a_doubt_at_least(words: list[str], word: str) -> None:
    one, other = read(" ".join(words)), read(" ".join([*words, word]))
    assert object_to(one, other, ALL_GUARDS) is not None
