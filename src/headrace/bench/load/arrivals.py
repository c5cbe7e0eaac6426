"""When requests are sent: schedules made before the run, functions of a seed and nothing else.

Renewal processes with gamma gaps (a CV of 1 is Poisson's) as in ServeGen, arXiv 2505.09999, where
real clients have CVs of 0.75 to 13.9 and few of them make most of the rate; a rate that swings by
warping the time of such a process through the integral of the rate.
"""

import heapq
import math
from array import array
from bisect import bisect_left
from itertools import accumulate
from random import Random
from typing import Final

from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import (
    REQUESTS_MAX,
    Clients,
    Constant,
    Gamma,
    Modulated,
    Phase,
    Poisson,
)

# Of one period, between which the integral of the rate is taken as straight.
_STEPS: Final = 64


def send_times(phase: Phase, seed: int) -> "array[float]":
    """When each request of a phase is sent, in seconds from its start, in order.

    Args:
        phase: with arrivals that are drawn: not of a trace, and not of a closed loop.
        seed: the same gives the same times.

    Raises:
        PlanInvalid: they are more than a run can hold.
    """
    check_size(phase.name, phase.rate_per_s * phase.seconds)
    dice = Random(seed)  # noqa: S311
    rate, end_s = phase.rate_per_s, phase.seconds
    match phase.arrivals:
        case Constant():
            count = math.ceil(rate * end_s - 1e-9)
            times = array("d", (number / rate for number in range(count)))
        case Poisson():
            times = _renewal(rate, 1.0, end_s, dice)
        case Gamma(cv=cv):
            times = _renewal(rate, cv, end_s, dice)
        case Modulated() as arrivals:
            times = _modulated(arrivals, rate, end_s, dice)
        case Clients() as arrivals:
            times = _clients(arrivals, rate, end_s, dice)
        case other:
            raise TypeError(f"{other} has no times of its own")
    return times


def check_size(name: str, requests: float) -> None:
    """Refuse what does not fit into memory.

    Raises:
        PlanInvalid: there are too many requests.
    """
    if requests > REQUESTS_MAX:
        raise PlanInvalid(
            f"phase {name} has {requests:,.0f} requests, and {REQUESTS_MAX:,} are the most: "
            "make it shorter, or its users fewer."
        )


def _renewal(rate: float, cv: float, end_s: float, dice: Random) -> "array[float]":
    """Gaps of mean 1 / rate; the first begins at a time that anybody might look."""
    shape = 1 / (cv * cv)
    scale = 1 / (rate * shape)
    times = array("d")
    # Into the middle of some gap, or else bursts would all begin at zero: a length-biased gap.
    now_s = dice.random() * dice.gammavariate(shape + 1, scale)
    while now_s < end_s:
        times.append(now_s)
        now_s += dice.gammavariate(shape, scale)
        if len(times) > REQUESTS_MAX:
            check_size("of such arrivals", len(times))
    return times


def _modulated(arrivals: Modulated, rate: float, end_s: float, dice: Random) -> "array[float]":
    """A process of rate 1 whose time runs as fast as the rate is high."""
    step_s = arrivals.period_s / _STEPS
    steps = math.ceil(end_s / step_s)
    check_size("of such swings", steps)

    def rate_at(t_s: float) -> float:
        return rate * (1 + arrivals.swing * math.sin(2 * math.pi * t_s / arrivals.period_s))

    areas = [0.0, *accumulate(rate_at((n + 0.5) * step_s) * step_s for n in range(steps))]
    times = array("d")
    for unit in _renewal(1.0, arrivals.cv, areas[-1], dice):
        at = max(1, bisect_left(areas, unit))
        inside = (unit - areas[at - 1]) / (areas[at] - areas[at - 1] or 1.0)
        now_s = (at - 1 + inside) * step_s
        if now_s < end_s:
            times.append(now_s)
    return times


def _clients(arrivals: Clients, rate: float, end_s: float, dice: Random) -> "array[float]":
    weights = [(rank + 1) ** -arrivals.skew for rank in range(arrivals.count)]
    whole = sum(weights)
    low, high = math.log(arrivals.cv_min), math.log(arrivals.cv_max)
    each = [
        _renewal(rate * weight / whole, math.exp(dice.uniform(low, high)), end_s, dice)
        for weight in weights
    ]
    return array("d", heapq.merge(*each))
