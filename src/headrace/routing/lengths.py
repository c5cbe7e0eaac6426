"""How long an answer will be, guessed from what its request looks like. Pure.

Recursive least squares of the logarithm of the answer's tokens (Haykin, Adaptive Filter Theory,
2002, chapter 9), of weights that drift: each answer moves them by as much as its features are news.
"""

from math import exp, log
from operator import mul
from typing import Final

from headrace.routing.complexity.features import Features
from headrace.routing.complexity.weights import values

USUAL_TOKENS: Final = 300.0
_NEWS: Final = 10.0  # how far from nothing weights are taken to be at first, as a variance
# By how much more weights are uncertain with each answer, so that what changes is learnt anew.
_DRIFT: Final = 2e-6
_ERROR_MAX: Final = 3.0
_LOG_MAX: Final = 12.0
# From then on one answer in so many is learnt from: it takes some 50 µs.
_LESSONS_ALL: Final = 1000
_LESSONS_EACH: Final = 8


class LengthGuess:
    """Learns from answers as they come.

    Attributes:
        seen: answers that came.
    """

    __slots__ = ("_spread", "_weights", "seen")

    def __init__(self) -> None:
        count = len(_row(Features()))
        self._weights = [log(USUAL_TOKENS), *(0.0 for _ in range(count - 1))]
        self._spread = [[_NEWS * (a == b) for b in range(count)] for a in range(count)]
        self.seen = 0

    def tokens(self, features: Features) -> float:
        """The tokens that an answer is expected to have."""
        return exp(self._log(_row(features)))

    def learn(self, features: Features, tokens: int) -> None:
        """Take in how long an answer was."""
        self.seen += 1
        if tokens < 1 or (self.seen > _LESSONS_ALL and self.seen % _LESSONS_EACH):
            return
        row = _row(features)
        error = max(-_ERROR_MAX, min(_ERROR_MAX, log(tokens) - self._log(row)))
        moved = [sum(map(mul, line, row)) for line in self._spread]
        whole = 1.0 + sum(map(mul, moved, row))
        self._weights = [w + error * m / whole for w, m in zip(self._weights, moved, strict=True)]
        spread = [
            [s - a * b / whole for s, b in zip(line, moved, strict=True)]
            for a, line in zip(moved, self._spread, strict=True)
        ]
        for at, line in enumerate(spread):
            line[at] = min(_NEWS, line[at] + _DRIFT)
        self._spread = spread

    def _log(self, row: tuple[float, ...]) -> float:
        found: float = sum(map(mul, self._weights, row))
        return max(0.0, min(_LOG_MAX, found))


def _row(features: Features) -> tuple[float, ...]:
    return (1.0, *values(features))
