"""How good predictions of reuse have been lately: log-loss, and calibration."""

from math import log
from typing import Final

import msgspec

BINS: Final = 10
_CERTAIN: Final = 1e-4


class CalibrationRow(msgspec.Struct, frozen=True):
    """Predictions within one tenth, and what came of them; counts are faded.

    Attributes:
        low: lower end of the tenth.
        count: predictions in it.
        predicted: their mean.
        observed: share of them that were used.
    """

    low: float
    count: float
    predicted: float
    observed: float


class Score:
    """One predictor's record, with old outcomes fading.

    Args:
        keep: what an outcome counts after the next one.
    """

    __slots__ = ("_bins", "_keep", "_loss", "_weight")

    def __init__(self, keep: float = 0.999) -> None:
        self._keep = keep
        self._loss = 0.0
        self._weight = 0.0
        # Of each tenth: count, sum of predictions, used.
        self._bins = [[0.0, 0.0, 0.0] for _ in range(BINS)]

    @property
    def log_loss(self) -> float:
        """Running mean of `-ln(chance given to what happened)`; 0 before the first outcome."""
        return self._loss / self._weight if self._weight else 0.0

    def add(self, predicted: float, *, used: bool) -> None:
        """What was predicted, and what happened."""
        sure = min(max(predicted, _CERTAIN), 1.0 - _CERTAIN)
        self._loss = self._loss * self._keep - log(sure if used else 1.0 - sure)
        self._weight = self._weight * self._keep + 1.0
        tenth = self._bins[min(int(predicted * BINS), BINS - 1)]
        # Each tenth fades by its own count, so that rare ones are not forgotten.
        tenth[0] = tenth[0] * self._keep + 1.0
        tenth[1] = tenth[1] * self._keep + predicted
        tenth[2] = tenth[2] * self._keep + used

    def calibration(self) -> tuple[CalibrationRow, ...]:
        """The tenths that hold anything."""
        return tuple(
            CalibrationRow(number / BINS, count, predicted / count, used / count)
            for number, (count, predicted, used) in enumerate(self._bins)
            if count
        )
