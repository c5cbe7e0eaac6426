"""Learns from what providers report how many tokens of a family stand for those of a vocabulary.

A ratio for each kind of text, corrected by what its characters, signs, digits and lines add, and
what a message takes beside its text: a linear model, whose coefficients follow what is observed by
a Kalman filter with a little process noise (recursive least squares with a prior; Haykin,
"Adaptive Filter Theory", chapter on Kalman filters). Rows are divided by what was predicted, so
that errors are relative and a long prompt counts as much as a short one. A residual far outside of
what is usual is told less and less (Huber, "Robust Estimation of a Location Parameter", 1964).
Pure.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from headrace.prompt.counting.content import Content, Traits, chars_by_kind

# How sure the first ratios are, relative to themselves, and how much they may move each time.
_PRIOR_SPREAD: Final = 0.35
_PRIOR_SPREAD_MESSAGE: Final = 1.0
# What a character, a sign, a digit or a line adds to that, in tokens: nothing, until it shows.
_CORRECTION_SPREAD: Final = 0.3
_CORRECTION_MAX: Final = 2.0
_DRIFT: Final = 0.004
# What a provider's count differs by from any linear rule.
_NOISE: Final = 0.03
# Residuals beyond so many times the usual one count less.
_HUBER: Final = 3.0
# From a mean of absolute residuals to a standard deviation, of what is normally distributed.
_DEVIATION: Final = 1.25
_SCALE_FIRST: Final = 0.3
_SCALE_LEAST: Final = 0.005
_SCALE_WEIGHT: Final = 0.05
# Residuals that are so many times what they were for long mean that everything has changed.
_CALM_WEIGHT: Final = 0.01
_CHANGED: Final = 4.0
# Ratios stay within these multiples of what was assumed first.
_FACTOR_MAX: Final = 4.0

_ERRORS_KEPT: Final = 256
_ERRORS_LEAST: Final = 24
_KINDS: Final = len(Content)
_CORRECTIONS: Final = _KINDS + 3
_SIZE: Final = _KINDS + _CORRECTIONS + 1


class Features:
    """What is counted with: tokens and characters by kind of text, signs, digits, lines, messages.

    Attributes:
        row: all of these, in that order.
    """

    __slots__ = ("row",)

    def __init__(self, messages: int = 0) -> None:
        self.row = [0.0] * _SIZE
        self.row[-1] = float(messages)

    def add(self, base_tokens: float, traits: Traits) -> None:
        """Add a text.

        Args:
            base_tokens: what it has in the vocabulary.
            traits: what else is known of it.
        """
        row = self.row
        for kind, (share, chars) in enumerate(
            zip(traits.shares, chars_by_kind(traits), strict=True)
        ):
            if share:
                row[kind] += base_tokens * share
                row[_KINDS + kind] += chars
        row[-4] += traits.signs
        row[-3] += traits.digits
        row[-2] += traits.lines


class Ratios:
    """The ratios of one family. One writer at a time; readers see one state or the next.

    Args:
        first: what is assumed first, by kind of text; no characters add to it.
        message_tokens: the same for what a message takes.
        error_p95: how far that is off, assumed.
    """

    __slots__ = (
        "_bounds",
        "_calm",
        "_errors",
        "_p95",
        "_scale",
        "_spread",
        "_spreads",
        "seen",
        "values",
    )

    def __init__(self, first: Sequence[float], message_tokens: float, error_p95: float) -> None:
        self.values: tuple[float, ...] = (*first, *([0.0] * _CORRECTIONS), message_tokens)
        self.seen = 0
        self._p95 = error_p95
        self._scale = self._calm = _SCALE_FIRST
        self._errors: deque[float] = deque(maxlen=_ERRORS_KEPT)
        self._spreads = (
            *(_PRIOR_SPREAD * value for value in first),
            *([_CORRECTION_SPREAD] * _CORRECTIONS),
            _PRIOR_SPREAD_MESSAGE * max(1.0, message_tokens),
        )
        self._bounds = tuple(
            (value / _FACTOR_MAX, value * _FACTOR_MAX)
            if value
            else (-_CORRECTION_MAX, _CORRECTION_MAX)
            for value in self.values
        )
        self._spread = self._unsure()

    @property
    def error_p95(self) -> float:
        """How far predictions were off, in 95 of the last 100 cases; assumed until seen."""
        return self._p95

    def predict(self, features: Features) -> float:
        """Tokens that stand for those of the vocabulary."""
        return max(0.0, sum(map(float.__mul__, features.row, self.values)))

    def learn(self, features: Features, told_tokens: float) -> None:
        """Take in what a provider counted.

        Args:
            features: what it counted the tokens of.
            told_tokens: how many those are; nothing is learnt where that is not above 0.
        """
        predicted = self.predict(features)
        if predicted <= 0 or not 0 < told_tokens < float("inf"):
            return
        self._book_error(abs(predicted - told_tokens) / told_tokens)
        row = [value / predicted for value in features.row]
        residual = told_tokens / predicted - 1.0
        usual = self._scale
        far = max(1.0, abs(residual) / (_HUBER * usual))
        noise = max(_NOISE, _DEVIATION * usual) * far
        self._update(row, residual, noise * noise)
        told = min(abs(residual), 2 * _HUBER * usual)
        self._scale = max(_SCALE_LEAST, usual + _SCALE_WEIGHT * (told - usual))
        self._calm += _CALM_WEIGHT * (min(told, 2 * self._calm) - self._calm)
        self.seen += 1
        if self._scale > _CHANGED * max(self._calm, _NOISE):
            # Not one report is far off but all of them: the tokenizer is another one.
            self._spread, self._calm = self._unsure(), self._scale

    def _unsure(self) -> list[list[float]]:
        """How sure the coefficients are as long as nothing has been learnt."""
        return [
            [spread * spread if row == column else 0.0 for column in range(_SIZE)]
            for row, spread in enumerate(self._spreads)
        ]

    def _update(self, row: list[float], residual: float, noise: float) -> None:
        spread = self._spread
        projected = [sum(map(float.__mul__, line, row)) for line in spread]
        total = sum(map(float.__mul__, row, projected)) + noise
        gains = [value / total for value in projected]
        self.values = tuple(
            min(max(value + gain * residual, low), high)
            for value, gain, (low, high) in zip(self.values, gains, self._bounds, strict=True)
        )
        for at, (gain, most) in enumerate(zip(gains, self._spreads, strict=True)):
            line = spread[at]
            for column in range(_SIZE):
                line[column] -= gain * projected[column]
            drift = _DRIFT * most
            line[at] = min(max(line[at], 0.0) + drift * drift, most * most)

    def _book_error(self, error: float) -> None:
        errors = self._errors
        errors.append(error)
        if len(errors) >= _ERRORS_LEAST:
            ranked = sorted(errors)
            self._p95 = ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
