"""What the scheduler does for those who matter: seeded experiments on a simulated clock.

Nothing here is timed. Every seed meets both ways to decide, and the same requests.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from statistics import fmean, pvariance
from typing import Final

import msgspec

from benchmarks.flow.scheduler_world import (
    CAPACITY_PER_S,
    Fifo,
    MakeTurns,
    Outcome,
    Request,
    World,
    in_order,
    poisson,
    scheduler,
)
from benchmarks.ratios import quantile
from headrace.cache.simulation.estimate import Estimate, estimate
from headrace.flow.scheduler import Priority

SEEDS: Final = range(101, 111)
RUN_S: Final = 180.0
# Runs at less load are longer: as many requests make the quantiles of each.
LOAD_S: Final = 640.0
WARM_UP_S: Final = 30.0
TENANTS: Final = tuple(f"t{number}" for number in range(10))
NOISY: Final = TENANTS[0]
# What one tenant asks for by itself: all ten together are at 0.8 of the capacity.
TENANT_SHARE: Final = 0.08
LOADS: Final = (0.5, 1.0, 2.0, 4.0)
# An answer after this is as good as none.
PATIENCE_S: Final[Mapping[Priority, float]] = {
    Priority.HIGH: 10.0,
    Priority.NORMAL: 10.0,
    Priority.LOW: 60.0,
    Priority.BATCH: 600.0,
}
DEADLINE_S: Final = 2.0
WAVE_S: Final = (20.0, 10.0)
WAVE_LOADS: Final = (0.5, 4.0)

Mix = Mapping[Priority, float]
MIX: Final[Mix] = {
    Priority.HIGH: 0.1,
    Priority.NORMAL: 0.6,
    Priority.LOW: 0.2,
    Priority.BATCH: 0.1,
}
MUCH_HIGH: Final[Mix] = {Priority.HIGH: 0.2, Priority.NORMAL: 0.8}
NORMAL: Final[Mix] = {Priority.NORMAL: 1.0}

SCHEDULER: Final = "scheduler"
WAYS: Final[Mapping[str, MakeTurns]] = {SCHEDULER: scheduler, "one queue": Fifo}


class Goal(msgspec.Struct, frozen=True):
    """What a figure has to be."""

    least: float = float("-inf")
    most: float = float("inf")

    def holds(self, value: Estimate) -> bool:
        """Whether the whole interval is within."""
        return self.least <= value.low and value.high <= self.most

    def __str__(self) -> str:
        return f">= {self.least:g}" if self.most == float("inf") else f"<= {self.most:g}"


GOALS: Final[Mapping[str, Goal]] = {
    "victims' p99, one tenant at 10x / alone": Goal(most=1.3),
    "Jain index, one tenant at 10x": Goal(least=0.95),
    "high p99, 4x / 0.5x": Goal(most=1.5),
    "high p99, 4x / 0.5x, a fifth high": Goal(most=1.5),
    **{f"goodput of the best achievable, {load:g}x": Goal(least=0.9) for load in LOADS},
    "variance of latency in waves / one queue": Goal(most=0.1),
}


class Row(msgspec.Struct, frozen=True):
    """One figure over all seeds.

    Attributes:
        figure: of what.
        way: who decided.
        mean: over seeds.
        low: where the true mean is with 95 % confidence, from here
        high: to here.
        seeds: how many there were.
        goal: what it has to be, where something is promised of this way.
        is_kept: whether the whole interval keeps it.
    """

    figure: str
    way: str
    mean: float
    low: float
    high: float
    seeds: int
    goal: str = ""
    is_kept: bool | None = None


Figures = dict[str, float]


def measure(seeds: Sequence[int], done: Callable[[str], None]) -> list[Row]:
    """Run every experiment with every seed, decided in both ways.

    Args:
        seeds: of requests.
        done: told of each step.
    """
    runs: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for seed in seeds:
        for way, make in WAYS.items():
            figures = {**_noisy(make, seed), **_loads(make, seed), **_much_high(make, seed)}
            figures |= {**_deadlines(make, seed), **_waves(make, seed), **_returns(make, seed)}
            runs[way].append(figures)
            done(f"seed {seed}, {way}")
    _against_one_queue(runs)
    return [
        _row(way, figure, made)
        for figure in _names(runs)
        for way, made in runs.items()
        if figure in made[0]
    ]


def _names(runs: Mapping[str, Sequence[Figures]]) -> list[str]:
    return list(dict.fromkeys(name for made in runs.values() for name in made[0]))


def _row(way: str, figure: str, made: Sequence[Figures]) -> Row:
    value = estimate([figures[figure] for figures in made])
    goal = GOALS.get(figure) if way == SCHEDULER else None
    return Row(
        figure=figure,
        way=way,
        mean=value.mean,
        low=value.low,
        high=value.high,
        seeds=value.samples,
        goal="" if goal is None else str(goal),
        is_kept=None if goal is None else goal.holds(value),
    )


def _against_one_queue(runs: Mapping[str, list[Figures]]) -> None:
    name = "variance of latency in waves, s2"
    for mine, other in zip(runs[SCHEDULER], runs["one queue"], strict=True):
        mine["variance of latency in waves / one queue"] = mine[name] / other[name]


# Experiments.


def _noisy(make: MakeTurns, seed: int) -> Figures:
    alone = _settled(World(make).run(_tenants(seed, 1.0)))
    loud = _settled(World(make).run(_tenants(seed, 10.0)))
    victims = [one for one in loud if one.request.tenant != NOISY]
    return {
        "victims' p99, one tenant at 10x / alone": _p99(victims)
        / _p99([one for one in alone if one.request.tenant != NOISY]),
        "victims' requests served, one tenant at 10x": fmean(one.is_served for one in victims),
        "Jain index, one tenant at 10x": _jain(loud),
    }


def _tenants(seed: int, loudness: float) -> Sequence[Request]:
    return in_order(
        *(
            poisson(
                Random(f"{seed} {tenant}"),
                CAPACITY_PER_S * TENANT_SHARE * (loudness if tenant == NOISY else 1.0),
                RUN_S,
                tenant=tenant,
            )
            for tenant in TENANTS
        )
    )


def _jain(outcomes: Sequence[Outcome]) -> float:
    """Jain's index (Jain, Chiu and Hawe 1984) of what each got of its max-min fair share."""
    asked = Counter(one.request.tenant for one in outcomes)
    got = Counter(one.request.tenant for one in outcomes if one.is_served)
    fair = _max_min(asked, got.total())
    shares = [got[tenant] / fair[tenant] for tenant in asked]
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def _max_min(asked: Mapping[str, int], served: int) -> Mapping[str, float]:
    """What each would get if nobody could have more without taking from one who has less."""
    fair: dict[str, float] = {}
    left = float(served)
    for place, tenant in enumerate(sorted(asked, key=lambda each: asked[each])):
        fair[tenant] = min(asked[tenant], left / (len(asked) - place))
        left -= fair[tenant]
    return fair


def _loads(make: MakeTurns, seed: int) -> Figures:
    figures: Figures = {}
    for load in LOADS:
        outcomes = _settled(World(make).run(_mixed(seed, load, MIX)))
        high = [one for one in outcomes if one.request.priority is Priority.HIGH]
        figures[f"high p99, {load:g}x, s"] = _p99(high)
        figures[f"goodput of the best achievable, {load:g}x"] = _goodput(outcomes, load)
    figures["high p99, 4x / 0.5x"] = figures["high p99, 4x, s"] / figures["high p99, 0.5x, s"]
    return figures


def _goodput(outcomes: Sequence[Outcome], load: float) -> float:
    """Answers in time, as a share of those there could be: of what is asked, or can be served.

    A little above 1 where many still waited at the end of the run, and were served after it.
    """
    good = sum(_is_in_time(one) for one in outcomes)
    asked = len(outcomes)
    return good / min(asked, asked / load)


def _deadlines(make: MakeTurns, seed: int) -> Figures:
    """Twice what can be served, and nobody wants a turn that comes later than in 2 s."""
    outcomes = _settled(World(make).run(_mixed(seed, 2.0, NORMAL, DEADLINE_S)))
    in_time = sum(one.is_served and one.wait_s <= DEADLINE_S for one in outcomes)
    figures = {"turns in time of the best achievable, deadline 2 s": 2 * in_time / len(outcomes)}
    refused = [one for one in outcomes if one.code]
    if refused:
        figures["refused, deadline 2 s: told at once"] = fmean(not one.wait_s for one in refused)
        figures["refused, deadline 2 s: wait, s"] = fmean(one.wait_s for one in refused)
    return figures


def _mixed(seed: int, load: float, mix: Mix, patience_s: float = math.inf) -> Sequence[Request]:
    return in_order(
        *(
            poisson(
                Random(f"{seed} {load} {tenant} {priority.name}"),
                CAPACITY_PER_S * load * share / len(TENANTS),
                WARM_UP_S + LOAD_S / load,
                tenant=tenant,
                priority=priority,
                patience_s=patience_s,
            )
            for tenant in TENANTS
            for priority, share in mix.items()
        )
    )


def _much_high(make: MakeTurns, seed: int) -> Figures:
    p99_s = {}
    for load in (0.5, 4.0):
        outcomes = _settled(World(make).run(_mixed(seed, load, MUCH_HIGH)))
        p99_s[load] = _p99([one for one in outcomes if one.request.priority is Priority.HIGH])
    return {"high p99, 4x / 0.5x, a fifth high": p99_s[4.0] / p99_s[0.5]}


def _waves(make: MakeTurns, seed: int) -> Figures:
    outcomes = _settled(World(make).run(_in_waves(seed)))
    latencies_s = [one.latency_s for one in outcomes if one.is_served]
    return {
        "variance of latency in waves, s2": pvariance(latencies_s),
        "p99 of latency in waves, s": quantile(latencies_s, 0.99),
        "answers in time, in waves": fmean(map(_is_in_time, outcomes)),
        "wait of those refused in waves, s": _mean([o.wait_s for o in outcomes if o.code]),
    }


def _in_waves(seed: int, until_s: float = RUN_S) -> Sequence[Request]:
    streams: list[Iterator[Request]] = []
    from_s, number = 0.0, 0
    while from_s < until_s:
        end_s = from_s + WAVE_S[number % 2]
        per_s = CAPACITY_PER_S * WAVE_LOADS[number % 2] / len(TENANTS)
        streams.extend(
            poisson(Random(f"{seed} {number} {each}"), per_s, end_s, tenant=each, from_s=from_s)
            for each in TENANTS
        )
        from_s, number = end_s, number + 1
    return in_order(*streams)


def _returns(make: MakeTurns, seed: int) -> Figures:
    """One wave, after which all is quiet but for those who come again, once."""
    figures: Figures = {}
    for manner, returns_s in (("as told", lambda told_s: told_s), ("after 1 s", lambda _: 1.0)):
        outcomes = World(make, returns_s).run(_in_waves(seed, until_s=sum(WAVE_S)))
        again = [one for one in outcomes if one.is_return]
        if again:
            share = fmean(one.is_served for one in again)
            figures[f"of those who come again {manner}, served"] = share
    return figures


# Figures.


def _settled(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.request.at_s >= WARM_UP_S]


def _is_in_time(outcome: Outcome) -> bool:
    patience_s = PATIENCE_S[outcome.request.priority]
    return outcome.is_served and outcome.latency_s <= patience_s


def _p99(outcomes: Sequence[Outcome]) -> float:
    return quantile([one.latency_s for one in outcomes if one.is_served], 0.99)


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
