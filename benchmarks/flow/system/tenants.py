"""One tenant that asks for ten times as much as its share, and the others."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from math import log
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Final

from benchmarks.flow.system.client import Client, Outcome, Shot, on_loop, poisson_s
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
from benchmarks.flow.system.knee import REFUSES, Way

TENANTS: Final = tuple(f"t{number}" for number in range(10))
NOISY: Final = TENANTS[0]
# What each asks for by itself: all ten together are at 0.8 of what the provider takes.
TENANT_SHARE: Final = 0.08
LOUDNESS: Final = {"alone": 1.0, "loud": 10.0}
DEADLINE_S: Final = 10.0
WARM_S: Final = 4.0
RUN_S: Final = 16.0
ABREAST: Final = 2

# Answers of very different lengths: 50 ms a token, of which there are 12 on average (lognormal).
PACE: Final = (50.0, 50.0)
TOKENS_MEAN: Final = 12.0
SIGMA: Final = 0.8
TOKENS_MAX: Final = 100
ROOM_PER_S: Final = REFUSES["inflight_max"] / (TOKENS_MEAN * PACE[1] / 1000)

WAYS: Final = (Way("refuses, default", REFUSES),)
GOALS: Final[Goals] = {
    **{("victims' p99, one tenant at 10x / alone", way.name): Goal(most=1.3) for way in WAYS},
    **{("Jain index, one tenant at 10x", way.name): Goal(least=0.95) for way in WAYS},
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """The same calls of nine tenants, beside a tenth that is quiet and one that is loud."""
    found: dict[str, list[Figures]] = {way.name: [] for way in WAYS}
    with ExitStack() as stack:
        houses = [_house(stack, way, directory, effort) for way in WAYS]
        for runs in effort.turns(ABREAST):
            told(f"tenants, runs {runs[0] + 1} to {runs[-1] + 1}")
            met = on_loop(_meet(houses, runs, effort.seed))
            for way, of_way in zip(WAYS, met, strict=True):
                found[way.name] += [_figures(alone, loud) for alone, loud in of_way]
    return rows("tenants", found, GOALS)


def _house(stack: ExitStack, way: Way, directory: Path, effort: Effort) -> Gateway:
    providers: dict[str, Provider] = {}
    for place in range(ABREAST):
        for name in LOUDNESS:
            server = sim(f"tenants-{way.slug}-{name}-{place}", directory, 1, **way.provider)
            port = stack.enter_context(server).port
            providers[f"{name}-{place}"] = Provider(port, PACE, settings=way.settings)
    models = {
        f"{name}-{run}": [f"{name}-{run % ABREAST}/m{run}"]
        for run in range(effort.runs)
        for name in LOUDNESS
    }
    return stack.enter_context(
        gateway(f"tenants-{way.slug}", directory, providers, models, TENANTS)
    )


async def _meet(
    houses: Sequence[Gateway], runs: Sequence[int], seed: int
) -> list[list[tuple[list[Outcome], list[Outcome]]]]:
    clients = [Client(house.port) for house in houses]
    calls = [_shots(seed + run, f"{name}-{run}", loud) for run in runs for name, loud in _loud()]
    met = await asyncio.gather(*(client.run(each) for client in clients for each in calls))
    for client in clients:
        client.close()
    pairs = list(zip(met[::2], met[1::2], strict=True))
    return [pairs[at : at + len(runs)] for at in range(0, len(pairs), len(runs))]


def _loud() -> Sequence[tuple[str, float]]:
    return list(LOUDNESS.items())


def _shots(seed: int, model: str, loudness: float) -> list[Shot]:
    made: list[Shot] = []
    for tenant in TENANTS:
        dice = Random(f"tenants {seed} {tenant}")
        times = loudness if tenant == NOISY else 1.0
        made += [
            Shot(
                at_s=at_s,
                model=model,
                text=f"{seed} {tenant} {number}",
                tokens=_tokens(dice),
                stream=False,
                tenant=tenant,
                deadline_ms=round(DEADLINE_S * 1000),
            )
            for number, at_s in enumerate(
                poisson_s(dice, times * TENANT_SHARE * ROOM_PER_S, WARM_S + RUN_S)
            )
        ]
    return sorted(made, key=lambda shot: shot.at_s)


def _tokens(dice: Random) -> int:
    drawn = dice.lognormvariate(log(TOKENS_MEAN) - SIGMA**2 / 2, SIGMA)
    return max(1, min(TOKENS_MAX, round(drawn)))


def _figures(alone: Sequence[Outcome], loud: Sequence[Outcome]) -> Figures:
    quiet, victims = _victims(alone), _victims(loud)
    counted = [one for one in loud if one.shot.at_s >= WARM_S]
    return {
        LATE: max(late_s(alone), late_s(loud)),
        "victims' p99, one tenant at 10x / alone": latency_s(victims) / latency_s(quiet),
        "victims' p50, one tenant at 10x / alone": latency_s(victims, 0.5) / latency_s(quiet, 0.5),
        "victims answered, one tenant at 10x": fmean(one.good for one in victims),
        "Jain index, one tenant at 10x": jain(counted),
    }


def _victims(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.shot.tenant != NOISY and one.shot.at_s >= WARM_S]


def jain(outcomes: Sequence[Outcome]) -> float:
    """Jain's index (Jain, Chiu and Hawe 1984) of what each got of its max-min fair share."""
    asked = Counter(one.shot.tenant for one in outcomes)
    got = Counter(one.shot.tenant for one in outcomes if one.good)
    fair = max_min(asked, got.total())
    shares = [got[tenant] / fair[tenant] for tenant in asked if fair[tenant]]
    squares = sum(share**2 for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def max_min(asked: Mapping[str, int], served: int) -> Mapping[str, float]:
    """What each would get if nobody could have more without taking from one who has less."""
    fair: dict[str, float] = {}
    left = float(served)
    for place, tenant in enumerate(sorted(asked, key=lambda each: asked[each])):
        fair[tenant] = min(asked[tenant], left / (len(asked) - place))
        left -= fair[tenant]
    return fair
