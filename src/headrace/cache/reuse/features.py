"""A key's facts as numbers a linear model can weigh."""

from math import cos, log, pi, sin
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from headrace.cache.reuse.facts import UseFacts

Vector = NDArray[np.float64]

# Scaled by their own running mean and deviation; the rest is 0 or 1 already.
SCALED: Final = 10
BUCKETS: Final = 64
WIDTH: Final = 1 + SCALED + 2 + BUCKETS
_Z_MAX: Final = 4.0
# What hardly varies is not blown up.
_DEVIATION_MIN: Final = 0.05
_ODDS_MAX: Final = 8.0
_INTERVAL_S_MIN: Final = 1e-3


def log_odds(chance: float) -> float:
    """The logit, kept within what a float can turn back."""
    if chance <= 0.0:
        return -_ODDS_MAX
    if chance >= 1.0:
        return _ODDS_MAX
    return min(max(log(chance / (1.0 - chance)), -_ODDS_MAX), _ODDS_MAX)


def features(
    facts: UseFacts, horizon_s: float, category_chance: float, interval_chance: float
) -> Vector:
    """One row: a constant, what is scaled, the hour as a circle, names hashed.

    Names may share one of the 64 places: many tenants do, and weigh a little less for it.

    Args:
        facts: of the key.
        horizon_s: within which it would be used.
        category_chance: what `CategoryHazard` says.
        interval_chance: what `IntervalRate` says.
    """
    row = np.zeros(WIDTH)
    interval_s = facts.interval_s
    gaps = interval_s if interval_s > 0.0 else horizon_s
    angle = facts.hour * (pi / 12.0)
    row[: 1 + SCALED + 2] = (
        1.0,
        log(1.0 + facts.age_s),
        log(1.0 + facts.hits),
        log(1.0 + facts.idle_s),
        log(1.0 + facts.size_bytes),
        log(1.0 + horizon_s),
        log(max(gaps, _INTERVAL_S_MIN)),
        log((facts.idle_s + 1.0) / (gaps + 1.0)),
        1.0 if interval_s > 0.0 else 0.0,
        log_odds(category_chance),
        log_odds(interval_chance),
        sin(angle),
        cos(angle),
    )
    for name in (f"c{facts.category}", f"t{facts.tenant}"):
        row[1 + SCALED + 2 + crc32(name.encode("utf-8", "surrogatepass")) % BUCKETS] += 1.0
    return row


class Scaler:
    """Brings the scaled part of rows to mean 0 and deviation 1, as far as was seen.

    Args:
        memory: about how many rows count.
    """

    __slots__ = ("_factor", "_mean", "_memory", "_rows", "_variance")

    def __init__(self, memory: float = 10_000.0) -> None:
        self._memory = memory
        self._rows = 0.0
        self._mean = np.zeros(SCALED)
        self._variance = np.ones(SCALED)
        self._factor = np.ones(SCALED)

    def see(self, row: Vector) -> None:
        """Count a row in."""
        self._rows = min(self._rows + 1.0, self._memory)
        step = 1.0 / self._rows
        apart = row[1 : 1 + SCALED] - self._mean
        self._mean += step * apart
        self._variance += step * ((1.0 - step) * apart * apart - self._variance)
        np.divide(1.0, np.sqrt(self._variance) + _DEVIATION_MIN, out=self._factor)

    def scale(self, rows: Vector) -> Vector:
        """The row, or rows, scaled in place and kept within four deviations."""
        part = rows[..., 1 : 1 + SCALED]
        part -= self._mean
        part *= self._factor
        # Two calls of what is compiled are faster than `clip`.
        np.maximum(part, -_Z_MAX, out=part)
        np.minimum(part, _Z_MAX, out=part)
        return rows
