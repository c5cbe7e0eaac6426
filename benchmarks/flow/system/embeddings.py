"""Embeddings of many callers: how many calls they make, and what waiting for others costs."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.flow.system.client import EMBEDDINGS, Client, Outcome, Shot, on_loop
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
from benchmarks.flow.system.house import Gateway, Provider, Sim, gateway, sim

CALLERS: Final = 100
# 100 ms, and one for each input: calls with more inputs take longer.
PACE: Final = (100.0, 0.0)
INPUT_MS: Final = 1.0
PAUSE_S: Final = 0.2
RUN_S: Final = 3.0
WAVES: Final = 6
IDLE_CALLS: Final = 20

ON, OFF = "on", "off"
SPREAD, TOGETHER, IDLE = "each in its own time", "all at the same moment", "one caller"
WAY: Final = "batch on / off"
CALLS_FEWER: Final = "fewer calls to the provider, {}"
ADDED_MS: Final = "added p50, {}, ms"
GOALS: Final[Goals] = {
    (CALLS_FEWER.format(SPREAD), WAY): Goal(least=3.0),
    (CALLS_FEWER.format(TOGETHER), WAY): Goal(least=3.0),
    (ADDED_MS.format(SPREAD), WAY): Goal(most=10.0),
    (ADDED_MS.format(TOGETHER), WAY): Goal(most=10.0),
    (ADDED_MS.format(IDLE), WAY): Goal(most=1.0),
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """A hundred callers and one, with calls merged and not."""
    made: list[Figures] = []
    settings: dict[str, dict[str, Any]] = {ON: {}, OFF: {"batch": {"enabled": False}}}
    with ExitStack() as stack:
        sims = {name: stack.enter_context(sim(f"embed-{name}", directory, 1)) for name in settings}
        models = {f"m{run}": [f"p/m{run}"] for run in range(effort.runs)}
        houses: dict[str, Gateway] = {}
        for name, more in settings.items():
            provider = Provider(sims[name].port, PACE, INPUT_MS)
            house = gateway(f"embed-{name}", directory, {"p": provider}, models, **more)
            houses[name] = stack.enter_context(house)
        for run in range(effort.runs):
            told(f"embeddings, run {run + 1}")
            figures: Figures = {LATE: 0.0}
            for kind, work in ((IDLE, _idle), (SPREAD, _spread), (TOGETHER, _together)):
                for server in sims.values():
                    server.reset()
                # One after the other: they would take the processor from each other.
                met = {
                    name: on_loop(work(houses[name], f"m{run}", effort.seed + run))
                    for name in Random(f"order {run}").sample(sorted(houses), len(houses))
                }
                figures |= _figures(kind, met[ON], met[OFF], sims)
                figures[LATE] = max(figures[LATE], *(late_s(each) for each in met.values()))
            made.append(figures)
    return rows("embeddings", {WAY: made}, GOALS)


def _figures(
    kind: str, merged: Sequence[Outcome], single: Sequence[Outcome], sims: dict[str, Sim]
) -> Figures:
    calls = {name: server.stats()["requests_total"] for name, server in sims.items()}
    # Callers that wait for longer ask less often: calls for each answer are compared.
    fewer = (calls[OFF] / len(single)) / (calls[ON] / len(merged))
    return {
        CALLS_FEWER.format(kind): fewer,
        ADDED_MS.format(kind): 1000 * (latency_s(merged, 0.5) - latency_s(single, 0.5)),
        f"added p99, {kind}, ms": 1000 * (latency_s(merged) - latency_s(single)),
        f"failed, {kind}": float(sum(not one.good for one in (*merged, *single))),
    }


def _shot(model: str, text: str, at_s: float) -> Shot:
    return Shot(at_s=at_s, model=model, text=text, path=EMBEDDINGS, stream=False)


async def _idle(house: Gateway, model: str, seed: int) -> list[Outcome]:
    client, begin_s = Client(house.port), time.perf_counter()
    made: list[Outcome] = []
    for number in range(IDLE_CALLS):
        shot = _shot(model, f"idle {seed} {number}", time.perf_counter() - begin_s)
        made.append(await client.call(shot, shot.request(), begin_s))
    client.close()
    return made[1:]  # the first opens connections


async def _spread(house: Gateway, model: str, seed: int) -> list[Outcome]:
    """Each asks, waits for the answer, pauses, and asks again."""
    client, begin_s = Client(house.port), time.perf_counter()

    async def caller(number: int) -> list[Outcome]:
        dice, made = Random(f"spread {seed} {number}"), list[Outcome]()
        await asyncio.sleep(dice.uniform(0, PAUSE_S))
        while (at_s := time.perf_counter() - begin_s) < RUN_S:
            shot = _shot(model, f"spread {seed} {number} {len(made)}", at_s)
            made.append(await client.call(shot, shot.request(), begin_s))
            await asyncio.sleep(dice.expovariate(1 / PAUSE_S))
        return made

    met = await asyncio.gather(*map(caller, range(CALLERS)))
    client.close()
    return [one for each in met for one in each]


async def _together(house: Gateway, model: str, seed: int) -> list[Outcome]:
    """All ask at once, and again when everybody has its answer."""
    client, made = Client(house.port), list[Outcome]()
    for wave in range(WAVES):
        shots = [_shot(model, f"wave {seed} {wave} {number}", 0.0) for number in range(CALLERS)]
        made += await client.run(shots)
    client.close()
    return made[CALLERS:]  # the first wave opens connections
