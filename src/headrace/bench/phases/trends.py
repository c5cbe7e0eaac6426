"""What a series of values does over time: rises, is steady, is well again."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from headrace.bench.load.plan import WELL_IN_A_ROW
from headrace.bench.load.summary import Point
from headrace.bench.statistics.slopes import slope

_STEADY_POINTS_LEAST: Final = 6
_STEADY_DRIFT_MAX: Final = 0.2
_CHANCE: Final = 0.99


def drift(points: Sequence[Point]) -> float | None:
    """How far the medians of the later half of a phase's windows move, as a share of them.

    Returns:
        `None` where fewer than six windows have a median.
    """
    later = [(p.at_s, p.p50_ms) for p in points[len(points) // 2 :] if p.p50_ms is not None]
    if len(later) < _STEADY_POINTS_LEAST:
        return None
    xs, ys = [at_s for at_s, _ in later], [p50_ms for _, p50_ms in later]
    rise = slope(xs, ys)
    level = median(ys)
    if rise is None or level <= 0:
        return None
    return rise.value * (xs[-1] - xs[0]) / level


def is_steady(points: Sequence[Point]) -> bool | None:
    """Whether the medians of the later half move by less than a fifth; `None`: too few to say."""
    found = drift(points)
    return None if found is None else abs(found) < _STEADY_DRIFT_MAX


class Stretch(NamedTuple):
    """A window of a phase.

    Attributes:
        at_s: its start, from the start of the phase.
        requests: intended in it.
        late: of them, those that failed or took too long.
    """

    at_s: float
    requests: int
    late: int


def recovery_s(stretches: Sequence[Stretch], late_share: float) -> float | None:
    """When it was well again: the start of the first three busy windows in a row that are.

    Windows are well where no more of their requests are late, in each and in the three together,
    than chance makes of what was late before. A quantile of so few requests would not do: where one
    in twenty is no hit of a cache, the p95 of a window is that of hits or of the others by lot.

    Args:
        stretches: windows since the disturbance ended; those without a request tell nothing.
        late_share: what was late before, of all, 0 to 1.

    Returns:
        Seconds from the first window's start; `None` where it did not happen.
    """
    busy = [each for each in stretches if each.requests]
    for place in range(len(busy) - WELL_IN_A_ROW + 1):
        row = busy[place : place + WELL_IN_A_ROW]
        together = Stretch(row[0].at_s, sum(s.requests for s in row), sum(s.late for s in row))
        if all(s.late <= most_by_chance(s.requests, late_share) for s in (*row, together)):
            return together.at_s
    return None


def most_by_chance(count: int, share: float) -> int:
    """The most that are late in 99 of 100 windows of `count` requests (binomial).

    Args:
        count: of requests.
        share: of which each is late, 0 to 1.
    """
    if not 0 < share < 1:
        return count if share >= 1 else 0
    # In logarithms, for the chance of none among thousands is below the smallest number there is.
    chance_log = count * math.log1p(-share)
    below = math.exp(chance_log)
    for late in range(count):
        if below >= _CHANCE:
            return late
        chance_log += math.log((count - late) / (late + 1) * share / (1 - share))
        below += math.exp(chance_log)
    return count


def settled_s(seen: Sequence[tuple[float, bool]], whole_s: float, late_share: float) -> float:
    """When it settled: the first request from which on to the end few enough were late.

    For phases too short for windows, of which `recovery_s` wants three in a row.

    Args:
        seen: for each request when it was intended, in seconds, and whether it was late.
        whole_s: how long they were watched, in seconds.
        late_share: of those from there on may be late, 0 to 1.

    Returns:
        Seconds, 0 where it was settled from the first request on; `whole_s` where it never was.
    """
    ordered = sorted(seen)
    late, settled = 0, len(ordered)
    for place in reversed(range(len(ordered))):
        late += ordered[place][1]
        if late <= late_share * (len(ordered) - place):
            settled = place
    if settled == len(ordered):
        return whole_s
    return ordered[settled][0] if settled else 0.0
