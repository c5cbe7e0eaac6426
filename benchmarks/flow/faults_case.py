"""What hedging, retries, breakers and fallback do about faults: seeded, on a simulated clock.

Nothing here is timed. Every seed meets every way to go about it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

import msgspec

from benchmarks.flow.fault_world import Answer, Nature, Provider, Way, World
from benchmarks.ratios import quantile
from headrace.cache.simulation.estimate import Estimate, estimate

SEEDS: Final = range(301, 313)
RATE_PER_S: Final = 20.0
RUN_S: Final = 600.0
DOWN_S: Final = 60.0
# Before so long nothing is known yet that could be hedged by.
WARM_UP_S: Final = 30.0

HEALTHY: Final = Nature()
# Of 1 %, the p99 lies on the edge between the slow and all others: it is the one in this run and
# the other in the next, whatever is done. So the tail is looked at beyond the edge too: at p99.5,
# and at p99 where 1.5 % are slow.
TAILS: Final[Mapping[str, Nature]] = {
    "tail of 1 %": Nature(slow_share=0.01, slow_factor=20.0),
    "tail of 1.5 %": Nature(slow_share=0.015, slow_factor=20.0),
}
FAULTY: Final = Nature(errors=0.05, resets=0.02, stalls=0.01)
BOTH: Final = ("primary", "secondary")

Figures = dict[str, float]


class Goal(msgspec.Struct, frozen=True):
    """What a figure has to be."""

    least: float = float("-inf")
    most: float = float("inf")

    def holds(self, value: Estimate) -> bool:
        """Whether the whole interval is within."""
        return self.least <= value.low and value.high <= self.most

    def __str__(self) -> str:
        return f">= {self.least:g}" if self.most == float("inf") else f"<= {self.most:g}"


class Row(msgspec.Struct, frozen=True):
    """One figure over all seeds.

    Attributes:
        experiment: what was met with.
        way: what was done about it.
        figure: of what.
        mean: over seeds.
        low: where the true mean is with 95 % confidence, from here
        high: to here.
        seeds: how many there were.
        goal: what it has to be, where something is promised.
        is_kept: whether the whole interval keeps it.
    """

    experiment: str
    way: str
    figure: str
    mean: float
    low: float
    high: float
    seeds: int
    goal: str = ""
    is_kept: bool | None = None


HEDGED: Final = "hedged"
# The most that could be done about a tail.
NO_TAIL: Final = "no tail"
ALL: Final = "retries, fallback, breaker"
GOALS: Final[Mapping[tuple[str, str, str], Goal]] = {
    ("tail of 1 %", HEDGED, "p99 / without"): Goal(most=1 / 3),
    ("tail of 1 %", HEDGED, "p99.5 / without"): Goal(most=1 / 3),
    ("tail of 1 %", HEDGED, "extra calls, share"): Goal(most=0.03),
    ("tail of 1.5 %", HEDGED, "p99 / without"): Goal(most=1 / 3),
    ("tail of 1.5 %", HEDGED, "extra calls, share"): Goal(most=0.03),
    ("fault mix", ALL, "success, share"): Goal(least=0.999),
    ("fault mix", ALL, "retries above budget"): Goal(most=0.0),
    ("down, refuses", ALL, "first fallback after opening, s"): Goal(most=1.0),
    ("down, hangs", ALL, "first fallback after opening, s"): Goal(most=1.0),
    ("down, refuses", ALL, "success, share"): Goal(least=0.999),
    ("down, hangs", ALL, "success, share"): Goal(least=0.999),
}


def measure(seeds: Sequence[int], done: Callable[[str], None]) -> list[Row]:
    """Run every experiment with every seed.

    Args:
        seeds: of all that is drawn.
        done: told of each step.
    """
    runs: dict[tuple[str, str], list[Figures]] = {}
    for seed in seeds:
        for experiment, way, figures in _experiments(str(seed)):
            runs.setdefault((experiment, way), []).append(figures)
            done(f"seed {seed}, {experiment}, {way}")
    return [
        row_of(experiment, way, figure, [figures[figure] for figures in made])
        for (experiment, way), made in runs.items()
        for figure in made[0]
    ]


def row_of(experiment: str, way: str, figure: str, values: Sequence[float]) -> Row:
    """A figure over all seeds, held against what is promised of it."""
    value, goal = estimate(values), GOALS.get((experiment, way, figure))
    return Row(
        experiment=experiment,
        way=way,
        figure=figure,
        mean=value.mean,
        low=value.low,
        high=value.high,
        seeds=value.samples,
        goal="" if goal is None else str(goal),
        is_kept=None if goal is None else goal.holds(value),
    )


def _experiments(seed: str) -> Iterator[tuple[str, str, Figures]]:
    for name, nature in TAILS.items():
        yield from _tail(seed, name, nature)
    yield from _mix(seed)
    yield from _down(seed)


# A heavy tail.


def _tail(seed: str, tail: str, nature: Nature) -> Iterator[tuple[str, str, Figures]]:
    hedged = Way(BOTH, hedges=True)
    ways = {"plain": (nature, Way(BOTH)), HEDGED: (nature, hedged), NO_TAIL: (HEALTHY, Way(BOTH))}
    runs = {}
    for name, (each, way) in ways.items():
        world = World(dict.fromkeys(BOTH, each), way, seed)
        runs[name] = _settled(world.run(RATE_PER_S, RUN_S))
    for name, answers in runs.items():
        latencies_s = [one.latency_s for one in answers]
        plain_s = [one.latency_s for one in runs["plain"]]
        figures = {f"p{100 * q:g}, s": quantile(latencies_s, q) for q in (0.5, 0.95, 0.99, 0.999)}
        if name != "plain":
            for q in (0.99, 0.995, 0.999):
                cut = quantile(latencies_s, q) / quantile(plain_s, q)
                figures[f"p{100 * q:g} / without"] = cut
        yield tail, name, {**figures, "extra calls, share": _extra(answers)}


# Some of all calls fail.


def _mix(seed: str) -> Iterator[tuple[str, str, Figures]]:
    natures = {"primary": FAULTY, "secondary": HEALTHY}
    ways = {
        "one try": Way(),
        "retries": Way(retries=True),
        "fallback": Way(BOTH),
        ALL: Way(BOTH, retries=True, breaks=True),
        f"{ALL}, hedged": Way(BOTH, retries=True, breaks=True, hedges=True),
    }
    for name, way in ways.items():
        world = World(natures, way, seed)
        answers = world.run(RATE_PER_S, RUN_S)
        primary = world.providers["primary"]
        figures = _outcome(answers)
        figures["retries for each request"] = len(primary.retried_s) / len(primary.asked_s)
        figures["retries above budget"] = above_budget(primary)
        figures["breaker opened, times"] = len(primary.opened_s)
        yield "fault mix", name, figures


def above_budget(provider: Provider) -> float:
    """By how many retries the worst window was above the share and the floor; 0 where none was."""
    budget, worst = provider.budget, 0.0
    asked, first_asked, first_retried = 0, 0, 0
    for number, at_s in enumerate(provider.retried_s):
        begin_s = at_s - budget.window_s
        while asked < len(provider.asked_s) and provider.asked_s[asked] <= at_s:
            asked += 1
        while first_asked < asked and provider.asked_s[first_asked] <= begin_s:
            first_asked += 1
        while provider.retried_s[first_retried] <= begin_s:
            first_retried += 1
        room = budget.share * (asked - first_asked) + budget.floor
        worst = max(worst, number + 1 - first_retried - room)
    return worst if worst > 1e-9 else 0.0


# Nobody is there.


def _down(seed: str) -> Iterator[tuple[str, str, Figures]]:
    for name, nature in {
        "down, refuses": Nature(down_s=DOWN_S, down="refuses"),
        "down, hangs": Nature(down_s=DOWN_S, down="hangs"),
    }.items():
        natures = {"primary": nature, "secondary": HEALTHY}
        ways = {"fallback": Way(BOTH), ALL: Way(BOTH, retries=True, breaks=True)}
        for way_name, way in ways.items():
            world = World(natures, way, seed)
            answers = world.run(RATE_PER_S, DOWN_S * 4)
            yield name, way_name, _after_the_end(world, answers)


def _after_the_end(world: World, answers: Sequence[Answer]) -> Figures:
    primary = world.providers["primary"]
    later = [one for one in answers if one.asked_s >= DOWN_S]
    figures = _outcome(later)
    figures["load on the one that is down, share"] = (
        sum(at_s >= DOWN_S for at_s in primary.asked_s)
        + sum(at_s >= DOWN_S for at_s in primary.retried_s)
    ) / len(later)
    if primary.opened_s:
        opened_s = primary.opened_s[0]
        figures["opened after, s"] = opened_s - DOWN_S
        first_s = min(
            one.asked_s + one.latency_s
            for one in later
            if one.asked_s >= opened_s and one.by == "secondary"
        )
        figures["first fallback after opening, s"] = first_s - opened_s
        # What is a probe waits for the one that is down; all others do not.
        settled = [one.latency_s for one in later if one.asked_s >= opened_s and one.sent == 1]
        figures["p50 once open, s"] = quantile(settled, 0.5)
        figures["calls that met a probe, share"] = fmean(
            one.sent > 1 for one in later if one.asked_s >= opened_s
        )
    return figures


# Figures.


def _outcome(answers: Sequence[Answer]) -> Figures:
    latencies_s = [one.latency_s for one in answers]
    return {
        "success, share": fmean(one.by is not None for one in answers),
        "p50, s": quantile(latencies_s, 0.5),
        "p99, s": quantile(latencies_s, 0.99),
        "extra calls, share": _extra(answers),
    }


def _extra(answers: Sequence[Answer]) -> float:
    return fmean(one.sent for one in answers) - 1


def _settled(answers: Sequence[Answer]) -> list[Answer]:
    return [one for one in answers if one.asked_s >= WARM_UP_S]
