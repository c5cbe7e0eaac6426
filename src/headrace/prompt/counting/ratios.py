"""Learns from what providers report how many tokens of a family stand for those of a vocabulary.

One ratio for each kind of text, and what a message takes beside its text: a linear model, whose
coefficients follow what is observed by a Kalman filter with a little process noise (recursive
least squares with a prior; Haykin, "Adaptive Filter Theory", chapter on Kalman filters). Rows are
divided by what was predicted, so that errors are relative and a long prompt counts as much as a
short one. A residual far outside of what is usual is told less and less (Huber, "Robust
Estimation of a Location Parameter", 1964). Pure.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from headrace.prompt.counting.content import Content

# How sure the first ratios are, relative to themselves, and how much they may move each time.
_PRIOR_SPREAD: Final = 0.35
_PRIOR_SPREAD_MESSAGE: Final = 1.0
_DRIFT: Final = 0.004
# What a provider's count differs by from any linear rule.
_NOISE: Final = 0.02
# Residuals beyond so many times the usual one count less.
_HUBER: Final = 2.0
_SCALE_FIRST: Final = 0.3
_SCALE_LEAST: Final = 0.005
_SCALE_WEIGHT: Final = 0.05
# Ratios stay within these multiples of what was assumed first.
_FACTOR_MAX: Final = 4.0

_ERRORS_KEPT: Final = 256
_ERRORS_LEAST: Final = 24
_SIZE: Final = len(Content) + 1


class Ratios:
    """The ratios of one family. One writer at a time; readers see one state or the next.

    Args:
        first: what is assumed first, by kind of text.
        message_tokens: the same for what a message takes.
        error_p95: how far that is off, assumed.
    """

    __slots__ = ("_assumed_p95", "_errors", "_first", "_p95", "_scale", "_spread", "seen", "values")

    def __init__(self, first: Sequence[float], message_tokens: float, error_p95: float) -> None:
        self._first = (*first, message_tokens)
        self.values: tuple[float, ...] = self._first
        self.seen = 0
        self._assumed_p95 = self._p95 = error_p95
        self._scale = _SCALE_FIRST
        self._errors: deque[float] = deque(maxlen=_ERRORS_KEPT)
        spreads = [_PRIOR_SPREAD * value for value in first]
        spreads.append(_PRIOR_SPREAD_MESSAGE * max(1.0, message_tokens))
        self._spread = [
            [spread * spread if row == column else 0.0 for column in range(_SIZE)]
            for row, spread in enumerate(spreads)
        ]

    @property
    def error_p95(self) -> float:
        """How far predictions were off, in 95 of the last 100 cases; assumed until seen."""
        return self._p95

    def predict(self, base_tokens: Sequence[float], messages: int) -> float:
        """Tokens that stand for those of the vocabulary.

        Args:
            base_tokens: by kind of text.
            messages: how many there are.
        """
        values = self.values
        total = messages * values[-1]
        for tokens, ratio in zip(base_tokens, values, strict=False):
            total += tokens * ratio
        return total

    def learn(self, base_tokens: Sequence[float], messages: int, told_tokens: float) -> None:
        """Take in what a provider counted.

        Args:
            base_tokens: as for `predict`.
            messages: the same.
            told_tokens: what it counted of them; nothing is learnt where that is not above 0.
        """
        predicted = self.predict(base_tokens, messages)
        if predicted <= 0 or not 0 < told_tokens < float("inf"):
            return
        self._book_error(abs(predicted - told_tokens) / told_tokens)
        row = [value / predicted for value in (*base_tokens, float(messages))]
        residual = told_tokens / predicted - 1.0
        usual = self._scale
        far = abs(residual) / (_HUBER * usual)
        noise = _NOISE * _NOISE * (far * far if far > 1.0 else 1.0)
        noise = max(noise, usual * usual * 0.25)
        self._update(row, residual, noise)
        told = min(abs(residual), 2 * _HUBER * usual)
        self._scale = max(_SCALE_LEAST, usual + _SCALE_WEIGHT * (told - usual))
        self.seen += 1

    def _update(self, row: list[float], residual: float, noise: float) -> None:
        spread = self._spread
        projected = [sum(map(float.__mul__, line, row)) for line in spread]
        total = sum(map(float.__mul__, row, projected)) + noise
        gains = [value / total for value in projected]
        self.values = tuple(
            min(max(value + gain * residual, first / _FACTOR_MAX), first * _FACTOR_MAX)
            for value, gain, first in zip(self.values, gains, self._first, strict=True)
        )
        for at, gain in enumerate(gains):
            line = spread[at]
            for column in range(_SIZE):
                line[column] -= gain * projected[column]
            drift = _DRIFT * self._first[at]
            most = _PRIOR_SPREAD_MESSAGE * max(1.0, self._first[at])
            line[at] = min(max(line[at], 0.0) + drift * drift, most * most)

    def _book_error(self, error: float) -> None:
        errors = self._errors
        errors.append(error)
        if len(errors) >= _ERRORS_LEAST:
            ranked = sorted(errors)
            self._p95 = ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
