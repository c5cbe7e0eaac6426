"""How many runs it takes, and what a number of runs can see."""

import math
from typing import Final

import numpy as np

from headrace.bench.statistics.distributions import NORMAL, student_quantile
from headrace.bench.statistics.figures import LEVEL, POWER, check_level

RUNS_MAX: Final = 100_000
"""More than anybody will make: where they would not do either, `runs_needed` says None."""

_POINTS: Final = 33
_REACH_SDS: Final = 7.0
_HALVINGS: Final = 24


def power_of(
    effect: float, sd: float, runs: int, *, level: float = LEVEL, is_paired: bool = True
) -> float:
    """How often a t test at `level` tells that an effect is there, by its noncentral t.

    Args:
        effect: how far the means lie apart; on the scale of logs for ratios.
        sd: standard deviation of the differences of pairs, or of the runs of one arm.
        runs: pairs, or runs of each arm.
        level: of the interval that the test belongs to.
        is_paired: whether the runs are pairs.

    Raises:
        ValueError: a standard deviation below 0, or fewer than 2 runs.
    """
    check_level(level)
    if sd < 0.0 or runs < 2:
        raise ValueError("power wants 2 runs or more, and a standard deviation of 0 or more")
    if sd == 0.0:
        return 1.0 if effect else 0.0
    freedom = runs - 1.0 if is_paired else 2.0 * runs - 2.0
    distance = abs(effect) / sd * math.sqrt(runs if is_paired else runs / 2.0)
    return _rejected(distance, freedom, student_quantile(0.5 + level / 2.0, freedom))


def runs_needed(
    effect: float,
    sd: float,
    *,
    level: float = LEVEL,
    power: float = POWER,
    is_paired: bool = True,
) -> int | None:
    """The fewest pairs, or runs of each arm, that tell `effect` with `power`; None: too many.

    About 7.85 (sd / effect)^2 pairs or 15.7 (sd / effect)^2 runs for 80 % at 95 %, and a few more
    where that is few.
    """
    if not 0.0 < power < 1.0:
        raise ValueError(f"a power lies between 0 and 1, not {power}")
    if effect == 0.0:
        return None
    reach = NORMAL.inv_cdf(0.5 + level / 2.0) + NORMAL.inv_cdf(power)
    # By the normal curve, which is never too many: from there on up.
    least = (reach * sd / effect) ** 2 * (1.0 if is_paired else 2.0)
    if least > RUNS_MAX:
        return None
    runs = max(2, math.floor(least))
    while power_of(effect, sd, runs, level=level, is_paired=is_paired) < power:
        runs += 1
    return runs


def detectable(
    sd: float,
    runs: int,
    *,
    level: float = LEVEL,
    power: float = POWER,
    is_paired: bool = True,
) -> float:
    """The smallest effect that so many runs tell with `power`."""
    if sd == 0.0:
        return 0.0
    freedom = runs - 1.0 if is_paired else 2.0 * runs - 2.0
    reach = student_quantile(0.5 + level / 2.0, freedom)
    low, high = 0.0, reach + NORMAL.inv_cdf(power)
    while _rejected(high, freedom, reach) < power:
        high *= 2.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        is_seen = _rejected(middle, freedom, reach) >= power
        low, high = (low, middle) if is_seen else (middle, high)
    return high * sd / math.sqrt(runs if is_paired else runs / 2.0)


def _rejected(distance: float, freedom: float, reach: float) -> float:
    """P(|T| > reach) of a noncentral t: normal tails, averaged over what the sd may come out as."""
    # The chi over its root: nearly all of it lies within 7 standard deviations of 1.
    wide = _REACH_SDS / math.sqrt(2.0 * freedom)
    shares = np.linspace(max(1e-9, 1.0 - wide), 1.0 + wide, _POINTS)
    log_density = (freedom - 1.0) * np.log(shares) - freedom * shares**2 / 2.0
    density = np.exp(log_density - log_density.max())
    density[[0, -1]] /= 2.0
    tails = [NORMAL.cdf(distance - reach * s) + NORMAL.cdf(-distance - reach * s) for s in shares]
    return float(np.sum(density * np.asarray(tails)) / np.sum(density))
