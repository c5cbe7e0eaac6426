"""Weights are plain JSON, and what cannot be used is refused with the reason."""

import msgspec
import pytest

from headrace.routing.complexity.features import NAMES, Features, read_features
from headrace.routing.complexity.weights import (
    GUESS,
    LOGIT_MAX,
    Scorer,
    Seen,
    Weights,
    WeightsBroken,
    decode_weights,
    encode_weights,
    probability,
)


def test_weights_come_back_as_they_went() -> None:
    weights = Weights(-1.5, {"length": 2.0, "code": 0.25}, Seen(100, 0.7, 0.66, 0.6, 0.02))
    assert decode_weights(encode_weights(weights)) == weights
    assert decode_weights(encode_weights(GUESS)) == GUESS


def test_a_guess_says_so_and_knows_every_feature() -> None:
    assert GUESS.seen is None
    assert set(GUESS.weights) == set(NAMES)


def test_score_is_the_weighted_sum() -> None:
    scorer = Scorer(Weights(-1.0, {"length": 2.0, "tool_errors": 3.0}))
    assert scorer.logit(Features(length=0.5, tool_errors=1.0, code=1.0)) == pytest.approx(3.0)
    assert probability(0.0) == 0.5


def test_scores_are_bounded() -> None:
    scorer = Scorer(Weights(100.0, {"length": 100.0}))
    assert scorer.logit(Features(length=1.0)) == LOGIT_MAX
    assert 0.0 < probability(-LOGIT_MAX) < probability(LOGIT_MAX) < 1.0


def test_the_guess_finds_a_proof_harder_than_a_greeting() -> None:
    scorer = Scorer(GUESS)
    greeting = {"messages": [{"role": "user", "content": "hi, thanks"}]}
    proof = {"messages": [{"role": "user", "content": "Prove step by step: f(x) = 2"}]}
    assert scorer.logit(read_features(greeting, 80).features) < scorer.logit(
        read_features(proof, 120).features
    )


def encoded(**changes: object) -> bytes:
    document = {"format": "headrace complexity 1", "bias": 0.0, "weights": {}, **changes}
    return msgspec.json.encode(document)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no file of"),
        (b"\xff\xfe", "no file of"),
        (b"{" * 5000, "no file of"),
        (b"[1, 2]", "no file of"),
        (b"x" * 70_000, "larger than"),
        (encoded(format="headrace complexity 2"), "its format is"),
        (encoded(bias="low"), "no file of"),
        (encoded(bias=None), "no file of"),
        (encoded(wieghts={}), "no file of"),
        (encoded(weights={"lenght": 1.0}), "no feature 'lenght'"),
        (encoded(weights={"length": 1e9}), "length is"),
        (encoded(bias=-101), "bias is"),
        (encoded(weights={"length": "1"}), "no file of"),
    ],
)
def test_broken_files_are_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(WeightsBroken, match=why):
        decode_weights(content)
