"""What a text wants: by the first rule that fits, or else by the weights, or else unknown."""

import os
from collections.abc import Sequence

import msgspec
import numpy as np

from headrace.errors import SettingsInvalid
from headrace.routing.intent.features import excerpt
from headrace.routing.intent.rules import Rule, Rules
from headrace.routing.intent.weights import UNKNOWN, Scores, Weights, read_weights


class Intent(msgspec.Struct, frozen=True):
    """What a text wants.

    Attributes:
        name: of the intent; `unknown` where the text is of none.
        confidence: how likely that is right, 0 to 1; 1 for a rule.
        is_known: whether it is one of the intents.
        why: the word or pattern that fits, or how near the weights came.
    """

    name: str
    confidence: float
    is_known: bool
    why: str


class IntentClassifier:
    """Tells what texts want. The same text always gets the same answer.

    Args:
        weights: of `headrace intent train`; `None` goes by rules alone.
        rules: what decides before them.

    Raises:
        SettingsInvalid: neither is there, or a rule cannot be used.
        ImportError: a package that the rules need is not there.
    """

    def __init__(self, weights: Weights | None = None, rules: Sequence[Rule] = ()) -> None:
        if weights is None and not rules:
            raise SettingsInvalid("there are neither weights nor rules to tell intents by")
        self._weights = weights
        self._rules = Rules(rules)
        ruled = {rule.intent for rule in rules}
        self.names = tuple(sorted(ruled | set(weights.names if weights is not None else ())))

    @classmethod
    def load(cls, path: str | os.PathLike[str], rules: Sequence[Rule] = ()) -> "IntentClassifier":
        """One that goes by a file of weights.

        Args:
            path: the file that `headrace intent train` wrote.
            rules: what decides before the weights.

        Raises:
            SettingsInvalid: the file cannot be read or used.
        """
        try:
            with open(path, "rb") as file:  # noqa: PTH123  # pure parts know no paths
                data = file.read()
        except OSError as error:
            raise SettingsInvalid(f"{os.fspath(path)}: cannot be read: {error.strerror}") from None
        return cls(read_weights(data), rules)

    def classify(self, text: str) -> Intent:
        """What a text wants; of long ones both ends are read."""
        text = excerpt(text)
        match = self._rules.find(text)
        if match is not None:
            return Intent(match.intent, 1.0, match.intent != UNKNOWN, match.why)
        if self._weights is None:
            return Intent(UNKNOWN, 0.0, False, "no rule fits")
        if not any(map(str.isalnum, text)):
            return Intent(UNKNOWN, 1.0, False, "no words")
        return _judged(self._weights, self._weights.scores(text))


def _judged(weights: Weights, scores: Scores) -> Intent:
    calibration = weights.calibration
    best = int(np.argmax(scores))
    name, share = weights.names[best], float(calibration.shares(scores)[best])
    known = float(calibration.known(calibration.familiarity(scores)))
    if known < calibration.threshold:
        return Intent(UNKNOWN, 1.0 - known, False, f"nearest: {name}, familiar to {known:.2f}")
    return Intent(name, share * known, True, f"weights: {share:.2f}, familiar to {known:.2f}")
