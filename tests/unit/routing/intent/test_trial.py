"""Training, calibration and figures, on few lines whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.routing.intent.training import Example, TrainRules, train
from headrace.routing.intent.trial import auroc, calibrated, examined, fit
from headrace.routing.intent.weights import UNKNOWN, Calibration

SHIP = ("where is my parcel", "has the parcel left", "parcel is late", "track my parcel")
PAY = ("my card was declined", "the card fails", "card payment error", "cannot pay by card")
OTHER = ("what a lovely sunrise", "do penguins fly", "sing a tune", "who was the first emperor")
EXAMPLES = tuple(
    Example(f"{text} {more}".strip(), intent)
    for intent, texts in (("ship", SHIP), ("pay", PAY), (UNKNOWN, OTHER))
    for text in texts
    for more in ("", "please", "today")
)


def test_what_was_learnt_is_told() -> None:
    trained = fit(EXAMPLES, TrainRules())
    assert trained.weights.names == ("pay", "ship")
    assert trained.figures.accuracy > 0.9
    assert trained.figures.texts == 24
    assert trained.figures.unknown_texts == 12
    assert trained.figures.auroc is not None
    assert trained.figures.auroc > 0.9
    scores = trained.weights.scores("is the parcel on its way")
    assert trained.weights.names[int(scores.argmax())] == "ship"


def test_the_same_lines_give_the_same_weights() -> None:
    first, second = (train(EXAMPLES, TrainRules(seed=5)) for _ in range(2))
    assert (first.matrix == second.matrix).all()


def test_the_order_of_the_texts_hardly_matters() -> None:
    # It goes to the one solution there is, whichever way it takes.
    rules = TrainRules(passes_max=60, change_min=1e-9)
    first = train(EXAMPLES, rules)
    second = train(EXAMPLES, TrainRules(passes_max=60, change_min=1e-9, seed=9))
    assert np.abs(first.matrix - second.matrix).max() < 1e-3


def test_weights_solve_what_they_are_to_solve() -> None:
    rules = TrainRules(passes_max=200, change_min=1e-12)
    weights = train(EXAMPLES, rules)
    scores = np.array([weights.scores(each.text) for each in EXAMPLES], np.float64)
    wanted = np.array(
        [[(each.intent == name) - 0.5 for name in weights.names] for each in EXAMPLES]
    )
    # Where the slope of all squares together is 0: X'(t - Xw) = ridge * w.
    missing = wanted - scores
    pulled = np.zeros(weights.matrix.shape)
    from headrace.routing.intent.weights import weighed

    for each, own in zip(EXAMPLES, missing, strict=True):
        buckets, values = weighed(each.text, weights.rarity)
        pulled[buckets] += values[:, None] * own
    assert np.abs(pulled - rules.ridge * weights.matrix).max() < 1e-3


def test_an_intent_of_one_line_is_learnt_but_not_tried() -> None:
    trained = fit((*EXAMPLES, Example("close my account", "close")), TrainRules())
    assert trained.weights.names == ("close", "pay", "ship")
    assert trained.figures.intents["close"].texts == 0


def test_without_unknown_lines_most_of_the_known_are_kept() -> None:
    known = tuple(each for each in EXAMPLES if each.intent != UNKNOWN)
    trained = fit(known, TrainRules())
    assert trained.figures.auroc is None
    assert trained.figures.kept >= 0.9


def test_intents_that_are_not_known_count_as_unknown() -> None:
    trained = fit(EXAMPLES, TrainRules())
    figures = examined(trained.weights, [Example("parcel", "ship"), Example("zzz", "other")])
    assert (figures.texts, figures.unknown_texts) == (1, 1)
    assert figures.accuracy == 1.0


def test_mistakes_are_told_by_name() -> None:
    weights = fit(EXAMPLES, TrainRules()).weights
    figures = examined(weights, [Example("where is my parcel", "pay")] * 3)
    assert figures.mistaken == (("pay", "ship", 3),)
    assert figures.intents["pay"].recall == 0.0
    assert figures.intents["ship"].precision == 0.0


@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [([2, 3], [0, 1], 1.0), ([0, 1], [2, 3], 0.0), ([1, 1], [1, 1], 0.5), ([1, 3], [2], 0.5)],
)
def test_auroc_is_the_share_of_pairs_in_order(
    higher: list[float], lower: list[float], expected: float
) -> None:
    assert auroc(np.array(higher, np.float32), np.array(lower, np.float32)) == expected


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=12),
    st.lists(st.integers(-5, 5), min_size=1, max_size=12),
)
def test_auroc_agrees_with_counting(higher: list[int], lower: list[int]) -> None:
    counted = sum((a > b) + 0.5 * (a == b) for a in higher for b in lower)
    found = auroc(np.array(higher, np.float32), np.array(lower, np.float32))
    assert found == pytest.approx(counted / len(higher) / len(lower))


def test_calibration_parts_what_can_be_parted() -> None:
    scores = np.array([[0.9, 0.0]] * 10 + [[0.0, 0.8]] * 10 + [[0.1, 0.1]] * 10, np.float32)
    truth = np.array([0] * 10 + [1] * 10 + [-1] * 10)
    calibration = calibrated(scores, truth)
    known = calibration.known(calibration.familiarity(scores))
    assert (known[:20] >= calibration.threshold).all()
    assert (known[20:] < calibration.threshold).all()


@given(st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=6))
def test_shares_are_probabilities(scores: list[float]) -> None:
    calibration = Calibration(0.07, 3.0, -1.0, 0.5)
    row = np.array(scores, np.float32)
    shares = calibration.shares(row)
    assert shares.sum() == pytest.approx(1.0, abs=1e-4)
    assert (shares >= 0).all()
    assert 0.0 <= float(calibration.known(calibration.familiarity(row))) <= 1.0
