"""Telling intents: rules first, then weights, and unknown where neither knows."""

from pathlib import Path

import pytest

from headrace import IntentClassifier
from headrace.errors import SettingsInvalid
from headrace.routing.intent.rules import Rule
from headrace.routing.intent.training import Example, TrainRules
from headrace.routing.intent.trial import fit
from headrace.routing.intent.weights import UNKNOWN, Weights

TEXTS = {
    "ship": ("where is my parcel", "parcel late", "track my parcel", "has my parcel left"),
    "pay": ("card declined", "the card fails", "card error at checkout", "cannot pay by card"),
    UNKNOWN: ("do penguins fly", "sing a tune", "lovely sunrise", "who was emperor"),
}
RULES = (Rule("human", words=("agent",)), Rule(UNKNOWN, words=("weather",)))


@pytest.fixture(scope="module")
def weights() -> Weights:
    examples = [Example(text, intent) for intent, texts in TEXTS.items() for text in texts]
    return fit(examples, TrainRules()).weights


def test_weights_tell(weights: Weights) -> None:
    intent = IntentClassifier(weights).classify("where has my parcel got to")
    assert (intent.name, intent.is_known) == ("ship", True)
    assert 0.3 < intent.confidence <= 1.0
    assert intent.why.startswith("weights: ")


def test_rules_come_first(weights: Weights) -> None:
    classifier = IntentClassifier(weights, RULES)
    intent = classifier.classify("an Agent please, my parcel is late")
    assert (intent.name, intent.confidence, intent.why) == ("human", 1.0, "word: agent")
    assert classifier.names == ("human", "pay", "ship", "unknown")


def test_a_rule_may_say_that_something_is_unknown(weights: Weights) -> None:
    intent = IntentClassifier(weights, RULES).classify("weather for my parcel")
    assert (intent.name, intent.is_known) == (UNKNOWN, False)


@pytest.mark.parametrize("text", ["", "   ", "?!...", "\ud800", "🙂"])
def test_what_says_nothing_is_unknown(weights: Weights, text: str) -> None:
    intent = IntentClassifier(weights).classify(text)
    assert (intent.name, intent.is_known) == (UNKNOWN, False)


def test_strange_words_are_unknown(weights: Weights) -> None:
    intent = IntentClassifier(weights).classify("quantum chromodynamics lattice")
    assert (intent.name, intent.is_known) == (UNKNOWN, False)
    assert "nearest: " in intent.why


def test_rules_alone_will_do() -> None:
    classifier = IntentClassifier(rules=RULES)
    assert classifier.classify("agent").name == "human"
    assert classifier.classify("my parcel").name == UNKNOWN


def test_ten_megabytes_are_read_at_both_ends(weights: Weights) -> None:
    classifier = IntentClassifier(weights, RULES)
    text = "track my parcel " + "\ud800x " * 3_000_000
    assert classifier.classify(text).name in {"ship", UNKNOWN}
    assert classifier.classify("x " * 5_000_000 + "agent").name == "human"
    assert classifier.classify("x " * 2_500_000 + "agent " + "x " * 2_500_000).name == UNKNOWN


def test_neither_weights_nor_rules_tell_nothing() -> None:
    with pytest.raises(SettingsInvalid, match="neither weights nor rules"):
        IntentClassifier()


def test_files_are_read(weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "intents.npz"
    path.write_bytes(weights.to_bytes())
    before, after = IntentClassifier(weights), IntentClassifier.load(path)
    assert after.classify("card declined").name == before.classify("card declined").name == "pay"


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"nowhere\.npz: cannot be read"):
        IntentClassifier.load(tmp_path / "nowhere.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK nonsense")
    with pytest.raises(SettingsInvalid, match="cannot be used"):
        IntentClassifier.load(tmp_path / "broken.npz")
