"""Lengths of answers, guessed from features."""

from math import exp, log
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.routing.complexity.features import Features
from headrace.routing.lengths import USUAL_TOKENS, LengthGuess


def test_the_usual_length_before_anything_is_known() -> None:
    assert round(LengthGuess().tokens(Features())) == USUAL_TOKENS


def test_lengths_follow_the_features() -> None:
    random, guess = Random(1), LengthGuess()
    for _ in range(3000):
        features = Features(length=random.random(), code=float(random.random() < 0.3))
        true = exp(4 + 2 * features.length + features.code + random.gauss(0, 0.5))
        guess.learn(features, round(true))
    for features, true_log in ((Features(length=0.2), 4.4), (Features(length=0.8, code=1), 6.6)):
        assert abs(log(guess.tokens(features)) - true_log) < 0.15


def test_lengths_that_change_are_learnt_anew() -> None:
    guess = LengthGuess()
    for tokens in (100, 1000):
        for _ in range(20_000):
            guess.learn(Features(length=0.5), tokens)
    assert 700 < guess.tokens(Features(length=0.5)) < 1100


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(-1, 10**9)), min_size=1, max_size=60
    )
)
def test_whatever_comes_guesses_stay_within_bounds(lessons: list[tuple[float, float, int]]) -> None:
    guess = LengthGuess()
    for length, code, tokens in lessons:
        guess.learn(Features(length=length, code=code), tokens)
        assert 1.0 <= guess.tokens(Features(length=code, code=length)) < 200_000
