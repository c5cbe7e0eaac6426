"""Load at and beyond the knee: goodput, and those who matter."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import Final

from benchmarks.flow.system.client import Client, Outcome, on_loop
from benchmarks.flow.system.effort import Effort, Told
from benchmarks.flow.system.figures import (
    LATE,
    Figures,
    Goal,
    Goals,
    Row,
    late_s,
    latency_s,
    rows,
)
from benchmarks.flow.system.house import Gateway, Provider, gateway, sim
from benchmarks.flow.system.knee import (
    BOTH,
    GRADIENT,
    KNEE_PER_S,
    LIMITS_OFF,
    PACE,
    REFUSES,
    SLO_S,
    SLOWS,
    Way,
    mixed,
)

LOADS: Final = (0.5, 1.0, 2.0, 4.0)
WARM_S: Final = 3.0
RUN_S: Final = 7.0

WAYS: Final = (
    Way("slows, gradient", SLOWS, GRADIENT),
    Way("slows and refuses at twice, default", BOTH),
    Way("refuses, default", REFUSES),
    Way("slows, limits off", SLOWS, LIMITS_OFF),
)
KEPT_BY: Final = tuple(way.name for way in WAYS[:3])
GOALS: Final[Goals] = {
    **{
        (f"goodput of the most possible, {load:g}x", way): Goal(least=0.9)
        for load in LOADS
        for way in KEPT_BY
    },
    **{("high p99, 4x / 0.5x", way): Goal(most=1.5) for way in KEPT_BY},
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """Every way at every load.

    Args:
        effort: how much.
        directory: where files go.
        told: is told how far it is.
    """
    found: dict[str, list[Figures]] = {way.name: [] for way in WAYS}
    with ExitStack() as stack:
        houses = [_house(stack, way, directory, effort.runs) for way in WAYS]
        for run in range(effort.runs):
            figures: list[Figures] = [{} for _ in WAYS]
            # The first three loads together are less than the last alone.
            for loads in (LOADS[:-1], LOADS[-1:]):
                told(f"overload, run {run + 1}, {', '.join(f'{load:g}x' for load in loads)}")
                met = on_loop(_meet(houses, loads, run, effort.seed + run))
                for each, outcomes in zip(figures, met, strict=True):
                    for load, of_load in zip(loads, outcomes, strict=True):
                        each[LATE] = max(each.get(LATE, 0.0), late_s(of_load))
                        each |= _figures(of_load, load)
            for way, each in zip(WAYS, figures, strict=True):
                each["high p99, 4x / 0.5x"] = each["high p99, 4x, s"] / each["high p99, 0.5x, s"]
                found[way.name].append(each)
    return rows("overload", found, GOALS)


def _house(stack: ExitStack, way: Way, directory: Path, runs: int) -> Gateway:
    """A gateway with a provider of its own for each load, and a model of its own for each run."""
    providers: dict[str, Provider] = {}
    for load in LOADS:
        server = stack.enter_context(sim(f"{way.slug}-{load:g}", directory, 1, **way.provider))
        providers[_name(load)] = Provider(server.port, PACE, settings=way.settings)
    models = {f"{name}-{run}": [f"{name}/m{run}"] for name in providers for run in range(runs)}
    return stack.enter_context(gateway(way.slug, directory, providers, models))


def _name(load: float) -> str:
    return f"at-{load * 10:g}"


async def _meet(
    houses: Sequence[Gateway], loads: Sequence[float], run: int, seed: int
) -> list[list[list[Outcome]]]:
    """All gateways at the same time, each at all of the loads; outcomes by gateway and load."""
    clients = [Client(house.port) for house in houses]
    calls = [mixed(seed, load, f"{_name(load)}-{run}", WARM_S + RUN_S) for load in loads]
    met = await asyncio.gather(*(client.run(each) for client in clients for each in calls))
    for client in clients:
        client.close()
    return [list(met[at : at + len(loads)]) for at in range(0, len(met), len(loads))]


def _figures(outcomes: Sequence[Outcome], load: float) -> Figures:
    counted = [one for one in outcomes if one.shot.at_s >= WARM_S]
    possible = min(len(counted), RUN_S * KNEE_PER_S)
    good = sum(one.within(SLO_S) for one in counted)
    high = [one for one in counted if one.shot.priority == "high"]
    # Where none of them was answered, they waited for all of their time.
    return {
        f"goodput of the most possible, {load:g}x": good / possible,
        f"high answered, {load:g}x": fmean(one.within(SLO_S) for one in high),
        f"high p99, {load:g}x, s": min(latency_s(high), SLO_S),
    }
