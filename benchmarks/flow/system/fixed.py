"""A number of calls at once that is found out, beside one that somebody has set."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import pvariance
from typing import Final

from benchmarks.flow.system.client import Client, Outcome, on_loop
from benchmarks.flow.system.effort import Effort, Told
from benchmarks.flow.system.figures import LATE, Figures, Goal, Goals, Row, late_s, rows
from benchmarks.flow.system.house import Gateway, Provider, gateway, sim
from benchmarks.flow.system.knee import (
    FIXED_10,
    GRADIENT,
    LIMITS_OFF,
    PACE,
    REFUSES,
    SLO_S,
    SLOWS,
    Way,
    mixed,
)

LOAD: Final = 2.0
WARM_S: Final = 3.0
# So long that what piles up without limits shows: its latency grows as long as overload lasts.
RUN_S: Final = 20.0
ABREAST: Final = 2
FIXED: Final = "fixed 10"
OFF: Final = "limits off"
WAYS: Final = (
    Way("gradient", SLOWS, GRADIENT),
    Way("refuses, default", REFUSES),
    Way(FIXED, SLOWS, FIXED_10),
    Way(OFF, SLOWS, LIMITS_OFF),
)
DEADLINES: Final = {"deadline 2.5 s": SLO_S, "no deadline": 0.0}
GOALS: Final[Goals] = {
    **{(f"answers of fixed 10's, {name}", "gradient"): Goal(least=1.3) for name in DEADLINES},
    # With deadlines limits off answers next to nobody: there is nothing to compare with.
    ("variance of latency of limits off's, no deadline", "gradient"): Goal(most=0.1),
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """Twice the knee, with callers who give up after a while and with such as never do."""
    found: dict[str, list[Figures]] = {way.name: [] for way in WAYS}
    with ExitStack() as stack:
        houses = [_house(stack, way, directory, effort) for way in WAYS]
        for runs in effort.turns(ABREAST):
            figures = [[Figures() for _ in runs] for _ in WAYS]
            for name, deadline_s in DEADLINES.items():
                told(f"fixed, runs {runs[0] + 1} to {runs[-1] + 1}, {name}")
                met = on_loop(_meet(houses, runs, name, deadline_s, effort.seed))
                for of_way, outcomes in zip(figures, met, strict=True):
                    for each, of_run in zip(of_way, outcomes, strict=True):
                        each |= _figures(of_run, name, each.get(LATE, 0.0))
            for way, of_way in zip(WAYS, figures, strict=True):
                found[way.name] += of_way
    _compare(found)
    return rows("fixed", found, GOALS)


def _house(stack: ExitStack, way: Way, directory: Path, effort: Effort) -> Gateway:
    providers: dict[str, Provider] = {}
    for place in range(ABREAST):
        server = stack.enter_context(sim(f"fixed-{way.slug}-{place}", directory, 1, **way.provider))
        providers[f"p{place}"] = Provider(server.port, PACE, settings=way.settings)
    models = {
        _model(run, name): [f"p{run % ABREAST}/{_model(run, name)}"]
        for run in range(effort.runs)
        for name in DEADLINES
    }
    return stack.enter_context(gateway(f"fixed-{way.slug}", directory, providers, models))


def _model(run: int, name: str) -> str:
    return f"m{run}-{name.replace(' ', '-')}"


async def _meet(
    houses: Sequence[Gateway], runs: Sequence[int], name: str, deadline_s: float, seed: int
) -> list[list[list[Outcome]]]:
    clients = [Client(house.port) for house in houses]
    seconds = WARM_S + RUN_S
    calls = [
        mixed(
            seed + run, LOAD, _model(run, name), seconds, deadline_s=deadline_s, mix={"normal": 1.0}
        )
        for run in runs
    ]
    met = await asyncio.gather(*(client.run(each) for client in clients for each in calls))
    for client in clients:
        client.close()
    return [list(met[at : at + len(runs)]) for at in range(0, len(met), len(runs))]


def _figures(outcomes: Sequence[Outcome], name: str, late: float) -> Figures:
    done = [one for one in outcomes if one.good and WARM_S <= one.end_s <= WARM_S + RUN_S]
    latencies_s = [one.total_s for one in outcomes if one.good and one.shot.at_s >= WARM_S]
    figures = {LATE: max(late, late_s(outcomes)), f"answers/s, {name}": len(done) / RUN_S}
    if len(latencies_s) > 1:
        figures[f"variance of latency, {name}, s2"] = pvariance(latencies_s)
    return figures


def _compare(found: dict[str, list[Figures]]) -> None:
    for way, of_way in found.items():
        for each, fixed, off in zip(of_way, found[FIXED], found[OFF], strict=True):
            for name in DEADLINES:
                answers, variance = f"answers/s, {name}", f"variance of latency, {name}, s2"
                if way != FIXED:
                    each[f"answers of fixed 10's, {name}"] = each[answers] / fixed[answers]
                for other, of_other in (("fixed 10", fixed), ("limits off", off)):
                    if way != other and variance in each and of_other.get(variance):
                        ratio = each[variance] / of_other[variance]
                        each[f"variance of latency of {other}'s, {name}"] = ratio
