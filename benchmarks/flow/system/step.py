"""A provider whose room shrinks and comes back."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Final

from benchmarks.flow.system.client import Client, Outcome, Shot, on_loop, poisson_s
from benchmarks.flow.system.effort import Effort, Told
from benchmarks.flow.system.figures import LATE, Figures, Goal, Goals, Row, late_s, rows
from benchmarks.flow.system.house import ADMIN_KEY, Gateway, Provider, Sim, ask, gateway, sim

HIGH, LOW = 20, 5
CALL_S: Final = 0.5
LOAD: Final = 1.5
PHASE_S: Final = 9.0
DEADLINE_S: Final = 2.0
LOOK_S: Final = 0.1
SETTLED_WITHIN: Final = (0.8, 1.25)
SETTLED_FOR: Final = 20  # looks

WAY: Final = "refuses, default"
GOALS: Final[Goals] = {
    (f"seconds to settle at {LOW}", WAY): Goal(most=5.0),
    (f"seconds to settle at {HIGH}", WAY): Goal(most=5.0),
    ("refused by the provider, % of sent", WAY): Goal(most=3.0),
}

Limits = list[float]


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """Room for 20 calls, for 5, and for 20 again, under half more than 20 can do."""
    made: list[Figures] = []
    with ExitStack() as stack:
        sims = [stack.enter_context(sim(f"step-{n}", directory, n)) for n in range(effort.abreast)]
        providers = {f"p{n}": Provider(server.port, (400.0, 50.0)) for n, server in enumerate(sims)}
        models = {f"m{run}": [f"p{run % effort.abreast}/m{run}"] for run in range(effort.runs)}
        house = stack.enter_context(gateway("step", directory, providers, models))
        for runs in effort.turns():
            told(f"step, runs {runs[0] + 1} to {runs[-1] + 1}")
            for server in sims:
                server.reset()
                server.limit(inflight_max=HIGH)
            met, limits = on_loop(_meet(house, sims, runs, effort))
            for run, outcomes in zip(runs, met, strict=True):
                stats = sims[run % effort.abreast].stats()
                made.append(_figures(outcomes, limits[f"m{run}"], stats))
    return rows("step", {WAY: made}, GOALS)


async def _meet(
    house: Gateway, sims: Sequence[Sim], runs: Sequence[int], effort: Effort
) -> tuple[list[list[Outcome]], Mapping[str, Limits]]:
    client = Client(house.port)
    limits: dict[str, Limits] = {f"m{run}": [] for run in runs}
    looking = asyncio.create_task(_look(house, limits))
    stepping = asyncio.create_task(_step(sims))
    met = await asyncio.gather(*(client.run(_shots(effort.seed + run, run)) for run in runs))
    await looking
    await stepping
    client.close()
    return list(met), limits


def _shots(seed: int, run: int) -> list[Shot]:
    dice = Random(f"step {seed}")
    times = poisson_s(dice, LOAD * HIGH / CALL_S, 3 * PHASE_S)
    return [
        Shot(
            at_s=at_s,
            model=f"m{run}",
            text=f"{seed} {number}",
            tokens=dice.choice((1, 2, 3, 4, 5)),
            stream=False,
            deadline_ms=round(DEADLINE_S * 1000),
        )
        for number, at_s in enumerate(times)
    ]


async def _step(sims: Sequence[Sim]) -> None:
    for room in (LOW, HIGH):
        await asyncio.sleep(PHASE_S)
        for server in sims:
            await asyncio.to_thread(server.limit, inflight_max=room)


async def _look(house: Gateway, limits: Mapping[str, Limits]) -> None:
    """Write down the limits, every tenth of a second."""
    begin_s = time.monotonic()
    for look in range(round(3 * PHASE_S / LOOK_S)):
        await asyncio.sleep(max(0.0, begin_s + look * LOOK_S - time.monotonic()))
        told = await asyncio.to_thread(ask, house.port, "GET", "/admin/flow", key=ADMIN_KEY)
        known: dict[str, Any] = {}
        for provider in told["providers"].values():
            known |= provider["models"]
        for model, seen in limits.items():
            limit = known.get(model, {}).get("limit")
            seen.append(float("inf") if limit is None else float(limit["limit"]))


def _figures(outcomes: Sequence[Outcome], limits: Limits, stats: Mapping[str, Any]) -> Figures:
    possible = (2 * HIGH + LOW) * PHASE_S / CALL_S
    return {
        LATE: late_s(outcomes),
        f"seconds to settle at {LOW}": settled_s(limits, PHASE_S, LOW),
        f"seconds to settle at {HIGH}": settled_s(limits, 2 * PHASE_S, HIGH),
        "refused by the provider, % of sent": 100 * stats["refused"] / stats["requests_total"],
        "callers who saw that, %": 100 * fmean(one.status == 429 for one in outcomes),
        "answers of the most possible": sum(one.good for one in outcomes) / possible,
    }


def settled_s(limits: Sequence[float], from_s: float, room: int) -> float:
    """Seconds from a step until the limit, over two seconds, is near the room there is.

    Near is from 20 % below to 25 % above; the length of a phase where it never is.
    """
    first = round(from_s / LOOK_S)
    last = min(round((from_s + PHASE_S) / LOOK_S), len(limits))
    for look in range(first, last - SETTLED_FOR + 1):
        mean = fmean(limits[look : look + SETTLED_FOR])
        if SETTLED_WITHIN[0] <= mean / room <= SETTLED_WITHIN[1]:
            return (look - first) * LOOK_S
    return PHASE_S
