"""What a difference between two arms is worth: dollars, a month, instances. Pure.

Everything is worked out from draws of whole trials: each draw takes pairs of trials with
replacement, the same ones of both arms, and goes through the whole calculation, so that an interval
at the end says what the trials leave open. Prices and users are taken as they are given.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from headrace.bench.statistics.distributions import FloatArray
from headrace.bench.statistics.figures import LEVEL, Interval
from headrace.bench.statistics.question import RUNS_LEAST
from headrace.bench.statistics.resampling import RESAMPLES, percentile_bounds, tail_of

# Of fewer pairs, draws reach no further than these, and that is not far enough.
PAIRS_LEAST: Final = RUNS_LEAST
_THOUSAND: Final = 1000.0
_SECONDS_PER_DAY: Final = 86_400.0


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What one trial came to.

    Attributes:
        usd: what its calls to the provider cost, in US dollars.
        answered: requests that succeeded.
        good: those of them that kept the service level.
        kept_per_s: requests a second that kept the service level, at the best of all loads.
    """

    usd: float
    answered: float
    good: float
    kept_per_s: float


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Who is served, and what by.

    Attributes:
        users: of a month.
        requests_per_user_day: of each user, on a working day.
        days: working days of a month.
        peak: the busiest second against the mean of a day.
        prices_date: the day that list prices are of.
        speed: how much faster than a real model the simulated one was.
    """

    users: int = 1_000
    requests_per_user_day: float = 50.0
    days: int = 22
    peak: float = 10.0
    prices_date: str = ""
    speed: float = 1.0

    @property
    def requests_a_month(self) -> float:
        """Of all users."""
        return self.users * self.requests_per_user_day * self.days

    @property
    def peak_per_s(self) -> float:
        """Requests in the busiest second."""
        return self.users * self.requests_per_user_day / _SECONDS_PER_DAY * self.peak


class Worth(msgspec.Struct, frozen=True):
    """A figure and where it lies.

    Attributes:
        value: by all trials.
        interval: by draws of them.
    """

    value: float
    interval: Interval


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm comes to.

    Attributes:
        usd_per_1000: for a thousand requests that kept the service level.
        usd_a_month: for all users, by what a thousand that succeeded cost.
        instances: of the model, each as large as the simulated one, that keep the service level
            in the busiest second; infinite where none was kept.
    """

    usd_per_1000: Worth
    usd_a_month: Worth
    instances: Worth


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What B is worth against A.

    Attributes:
        terms: what was assumed.
        pairs: of trials that it rests on.
        a: the one arm.
        b: the other.
        saved_share: of the cost of a month.
        saved_a_month: in US dollars.
    """

    terms: Terms
    pairs: int
    a: Side
    b: Side
    saved_share: Worth
    saved_a_month: Worth


def impact(
    a: Sequence[Spent], b: Sequence[Spent], terms: Terms, rng: np.random.Generator
) -> Impact | None:
    """Work out what two arms cost, and what lies between them.

    Args:
        a: trials of the one, in the order of pairs.
        b: of the other.
        terms: who is served.
        rng: chance for the draws; the same seed gives the same intervals.

    Returns:
        None where there are fewer than six pairs, or nothing was good in one of the arms.

    Raises:
        ValueError: the arms are of different lengths.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} trials of A and {len(b)} of B are no pairs")
    if len(a) < PAIRS_LEAST or not all(sum(each.good for each in arm) > 0 for arm in (a, b)):
        return None
    pairs = len(a)
    drawn = rng.multinomial(pairs, np.full(pairs, 1.0 / pairs), size=RESAMPLES)
    # The first row is all trials once: what is told as the value.
    weights = np.vstack((np.ones((1, pairs)), drawn)).astype(np.float64)
    of_a, of_b = _Draws(a, weights, terms), _Draws(b, weights, terms)
    tail = tail_of(LEVEL, pairs, pairs - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        saved = 1.0 - of_b.usd_a_month / of_a.usd_a_month
    return Impact(
        terms=terms,
        pairs=pairs,
        a=of_a.side(tail),
        b=of_b.side(tail),
        saved_share=_worth(np.nan_to_num(saved), tail),
        saved_a_month=_worth(of_a.usd_a_month - of_b.usd_a_month, tail),
    )


class _Draws:
    """The calculation for one arm, in all draws at once."""

    def __init__(self, trials: Sequence[Spent], weights: FloatArray, terms: Terms) -> None:
        usd = weights @ np.array([each.usd for each in trials])
        answered = weights @ np.array([each.answered for each in trials])
        good = weights @ np.array([each.good for each in trials])
        kept = weights @ np.array([each.kept_per_s for each in trials]) / weights.sum(axis=1)
        # A draw may hold nothing but trials in which nothing was good.
        with np.errstate(divide="ignore", invalid="ignore"):
            self.usd_per_1000 = usd / good * _THOUSAND
            self.usd_a_month = usd / answered * terms.requests_a_month
            self.instances = np.ceil(terms.peak_per_s * terms.speed / kept)

    def side(self, tail: float) -> Side:
        """As a report tells it."""
        return Side(
            usd_per_1000=_worth(self.usd_per_1000, tail),
            usd_a_month=_worth(self.usd_a_month, tail),
            instances=_worth(self.instances, tail),
        )


def _worth(values: FloatArray, tail: float) -> Worth:
    """The first value, and where the others lie."""
    drawn = values[1:]
    if not np.all(np.isfinite(drawn)):
        # Interpolating between something and infinity is no number.
        low, high = np.quantile(drawn, (tail, 1.0 - tail), method="nearest")
    else:
        low, high = percentile_bounds(drawn, tail)
    return Worth(float(values[0]), Interval(_number(low), _number(high), LEVEL))


def _number(value: FloatArray) -> float:
    told = float(value)
    return math.inf if math.isnan(told) else told
