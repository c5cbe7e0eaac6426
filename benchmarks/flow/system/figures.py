"""Figures over seeds, their intervals, and what is promised of them."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

import msgspec

from benchmarks.flow.system.client import Outcome
from benchmarks.ratios import quantile
from benchmarks.records import Verdict
from headrace.cache.simulation.estimate import estimate

Figures = dict[str, float]
"""What one run of one way says, by the figure's name."""

LATE: Final = "client late p99, s"
# A client that is later than this tells of the machine.
LATE_S_MAX: Final = 0.1


class Goal(msgspec.Struct, frozen=True):
    """What a figure has to be, with its whole interval."""

    least: float = -inf
    most: float = inf

    def __str__(self) -> str:
        return f">= {self.least:g}" if self.most == inf else f"<= {self.most:g}"


Goals = Mapping[tuple[str, str], Goal]
"""What is promised, by figure and way."""


class Row(msgspec.Struct, frozen=True):
    """One figure of one way over all seeds.

    Attributes:
        case: the experiment.
        figure: of what.
        way: how the gateway was set, or what it met.
        mean: over seeds.
        low: where the true mean is with 95 % confidence, from here
        high: to here.
        values: of each seed.
        goal: what it has to be, where something is promised.
        verdict: whether the whole interval keeps it; `None` where nothing is promised.
    """

    case: str
    figure: str
    way: str
    mean: float
    low: float
    high: float
    values: list[float]
    goal: str = ""
    verdict: Verdict | None = None


def rows(case: str, found: Mapping[str, Sequence[Figures]], goals: Goals) -> list[Row]:
    """The rows of an experiment.

    Args:
        case: its name.
        found: what each run of each way says; where the client itself was `LATE`, nothing of that
            way is judged.
        goals: what is promised.
    """
    names = dict.fromkeys(name for made in found.values() for each in made for name in each)
    return [
        _row(case, name, way, made, goals)
        for name in names
        for way, made in found.items()
        if any(name in each for each in made)
    ]


def _row(case: str, figure: str, way: str, made: Sequence[Figures], goals: Goals) -> Row:
    values = [each[figure] for each in made if figure in each]
    value = estimate(values)
    goal, verdict = goals.get((figure, way)), None
    if goal is not None:
        is_kept = goal.least <= value.low and value.high <= goal.most
        verdict = Verdict.PASS if is_kept else Verdict.MISS
        if max(each.get(LATE, 0.0) for each in made) > LATE_S_MAX:
            verdict = Verdict.VOID
    return Row(
        case=case,
        figure=figure,
        way=way,
        mean=value.mean,
        low=value.low,
        high=value.high,
        values=values,
        goal="" if goal is None else str(goal),
        verdict=verdict,
    )


def latency_s(outcomes: Sequence[Outcome], share: float = 0.99) -> float:
    """A quantile of the latency of what was answered; infinite where nothing was."""
    answered = [one.total_s for one in outcomes if one.good]
    return quantile(answered, share) if answered else inf


def late_s(outcomes: Sequence[Outcome]) -> float:
    """How late the client itself was, 99th percentile: what the machine adds."""
    return quantile([one.late_s for one in outcomes], 0.99)
