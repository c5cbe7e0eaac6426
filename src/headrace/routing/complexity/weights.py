"""From features to the probability that the cheap model is not good enough. Pure.

Weights are plain JSON, so that they can be read, compared and kept with the settings. `GUESS` is
what is shipped: signs and sizes that seem reasonable, and nothing that was measured on anybody's
traffic. `headrace route calibrate` makes weights from what was.
"""

from collections.abc import Sequence
from math import exp, isfinite
from operator import mul
from typing import Final

import msgspec

from headrace.routing.complexity.features import NAMES, Features

FORMAT: Final = "headrace complexity 1"
FILE_BYTES_MAX: Final = 64 * 1024
LOGIT_MAX: Final = 30.0  # beyond it a probability is 0 or 1 to the last digit that matters
WEIGHT_MAX: Final = 100.0
_SHOWN_CHARS: Final = 40


class WeightsBroken(ValueError):
    """Weights cannot be used; the message says why."""


class Seen(msgspec.Struct, frozen=True):
    """What weights were made from, and how they did on what they had not seen.

    Attributes:
        lines: labelled requests.
        good_share: share of them for which the cheap model was good enough.
        auc: probability that of two requests the harder one has the higher score.
        apgr: share of the gap between the models that is recovered, averaged over all shares of
            strong calls; chance recovers .5.
        calibration_error: mean distance of probabilities from what came true.
    """

    lines: int
    good_share: float
    auc: float
    apgr: float
    calibration_error: float


class Weights(msgspec.Struct, frozen=True):
    """A logistic model.

    Attributes:
        bias: the logit where every feature is 0.
        weights: by feature; a feature without one does not count.
        seen: what they come from; `None`: nothing, they are a guess.
    """

    bias: float
    weights: dict[str, float]
    seen: Seen | None = None

    def row(self) -> tuple[float, ...]:
        """The weights in the order of the features."""
        return tuple(self.weights.get(name, 0.0) for name in NAMES)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    bias: float
    weights: dict[str, float]
    seen: Seen | None = None


GUESS: Final = Weights(
    bias=-2.6,
    weights={
        "length": 2.2,
        "context": 1.2,
        "hard_words": 1.6,
        "easy_words": -0.9,
        "questions": 0.3,
        "code": 0.8,
        "math": 0.8,
        "steps": 0.6,
        "tools": 0.6,
        "tool_errors": 1.5,
        "depth": 0.8,
        "schema": 0.1,
        "effort": 1.5,
    },
)


class Scorer:
    """Scores requests by weights.

    Args:
        weights: what to go by.
    """

    __slots__ = ("_bias", "_row")

    def __init__(self, weights: Weights) -> None:
        self._bias = weights.bias
        self._row = weights.row()

    def logit(self, features: Features) -> float:
        """The logarithm of the odds that the cheap model is not good enough."""
        logit: float = self._bias + sum(map(mul, self._row, values(features)))
        return max(-LOGIT_MAX, min(LOGIT_MAX, logit))


def values(features: Features) -> tuple[float, ...]:
    """The features in their order."""
    return msgspec.structs.astuple(features)


def probability(logit: float) -> float:
    """What odds come to as a probability; logits of at most `LOGIT_MAX` in size."""
    return 1.0 / (1.0 + exp(-logit))


def decode_weights(encoded: bytes) -> Weights:
    """Read a file of weights.

    Raises:
        WeightsBroken: it is no such file, or holds what cannot be used.
    """
    if len(encoded) > FILE_BYTES_MAX:
        raise WeightsBroken(f"it is larger than {FILE_BYTES_MAX} bytes")
    try:
        file = msgspec.json.decode(encoded, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsBroken(f"it is no file of `headrace route calibrate`: {error}") from None
    if file.format != FORMAT:
        raise WeightsBroken(f"its format is {_shown(file.format)}, and not '{FORMAT}'")
    unknown = [name for name in file.weights if name not in NAMES]
    if unknown:
        known = ", ".join(NAMES)
        raise WeightsBroken(f"there is no feature {_shown(unknown[0])}; there are {known}")
    _check_sizes(("bias", *file.weights), (file.bias, *file.weights.values()))
    return Weights(file.bias, file.weights, file.seen)


def encode_weights(weights: Weights) -> bytes:
    """The file of weights that `decode_weights` reads: JSON, a line to each."""
    file = _File(FORMAT, weights.bias, weights.weights, weights.seen)
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def _check_sizes(names: Sequence[str], numbers: Sequence[float]) -> None:
    for name, number in zip(names, numbers, strict=True):
        if not isfinite(number) or abs(number) > WEIGHT_MAX:
            raise WeightsBroken(f"{name} is {number}, and not between -100 and 100")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…")
