"""A provider that is down altogether, and one behind it: how soon that is left alone."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from math import inf
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks import processes
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
from benchmarks.flow.system.house import ADMIN_KEY, Gateway, Provider, Sim, ask, gateway, sim

RATE_PER_S: Final = 30.0
PACE: Final = (40.0, 5.0)
DOWN_S: Final = 1.5
RUN_S: Final = 7.0
# Below the four seconds that a circuit is open at least, so that no call is a probe.
OPEN_S: Final = 3.5
LOOK_S: Final = 0.02
PATIENT: Final[Mapping[str, Any]] = {"first_byte_timeout_s": 1.0}

GONE = "nobody listens"
SCRIPTS: Final[Mapping[str, Mapping[str, Any] | None]] = {
    GONE: None,
    "answers 500": {"kind": "status", "status": 500, "times": None},
    "hangs": {"kind": "stall_before", "times": None},
}
FIRST: Final = "first answer of the secondary after the circuit opened, s"
EXTRA: Final = "added once open, p50, ms"
EXTRA_P99: Final = "added once open, p99, ms"
GOALS: Final[Goals] = {
    (figure, way): goal
    for way in SCRIPTS
    for figure, goal in ((FIRST, Goal(most=1.0)), (EXTRA, Goal(most=50.0)))
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """Three ways to be down; half of the calls know nothing but the second provider."""
    found: dict[str, list[Figures]] = {way: [] for way in SCRIPTS}
    ports = {way: processes.free_port() for way in SCRIPTS}
    with ExitStack() as stack:
        second = stack.enter_context(sim("down-second", directory, 2))
        house = _house(stack, directory, ports, second, effort.runs)
        for run in range(effort.runs):
            told(f"down, run {run + 1}")
            met, opened_s = on_loop(_meet(house, directory, ports, run, effort.seed + run))
            for way, (both, direct) in met.items():
                found[way].append(_figures(both, direct, opened_s.get(way, inf)))
    return rows("down", found, GOALS)


def _house(
    stack: ExitStack, directory: Path, ports: Mapping[str, int], second: Sim, runs: int
) -> Gateway:
    providers = {_slug(way): Provider(port, PACE, settings=PATIENT) for way, port in ports.items()}
    providers["second"] = Provider(second.port, PACE)
    models: dict[str, list[str]] = {}
    for run in range(runs):
        for way in ports:
            model = f"{_slug(way)}-{run}"
            models[f"both-{model}"] = [f"{_slug(way)}/{model}", f"second/{model}"]
            models[f"direct-{model}"] = [f"second/direct-{model}"]
    return stack.enter_context(gateway("down", directory, providers, models))


def _slug(way: str) -> str:
    return way.replace(" ", "-")


Met = dict[str, tuple[list[Outcome], list[Outcome]]]


async def _meet(
    house: Gateway, directory: Path, ports: Mapping[str, int], run: int, seed: int
) -> tuple[Met, Mapping[str, float]]:
    opened_s: dict[str, float] = {}
    client = Client(house.port)
    with ExitStack() as stack:
        going = stack.enter_context(ExitStack())
        sims: dict[str, Sim] = {}
        for way, port in ports.items():
            holder = going if way == GONE else stack
            server = sim(f"down-{_slug(way)}", directory, 1, port=port)
            sims[way] = holder.enter_context(server)
        begin_s = time.perf_counter() + 0.05
        watching = asyncio.create_task(_watch(house, run, opened_s, begin_s))
        breaking = asyncio.create_task(_break(going, sims))
        calls = [
            _shots(f"{seed} {way}", f"{kind}-{_slug(way)}-{run}")
            for way in ports
            for kind in ("both", "direct")
        ]
        met = await asyncio.gather(*map(client.run, calls))
        await breaking
        await watching
    client.close()
    pairs = zip(met[::2], met[1::2], strict=True)
    return dict(zip(ports, pairs, strict=True)), opened_s


def _shots(seed: str, model: str) -> list[Shot]:
    dice = Random(f"down {seed}")
    return [
        Shot(at_s=at_s, model=model, text=f"{seed} {number}", tokens=2, stream=False)
        for number, at_s in enumerate(poisson_s(dice, RATE_PER_S, RUN_S))
    ]


async def _break(going: ExitStack, sims: Mapping[str, Sim]) -> None:
    await asyncio.sleep(DOWN_S)
    for way, fault in SCRIPTS.items():
        if fault is None:
            await asyncio.to_thread(going.close)
        else:
            await asyncio.to_thread(sims[way].script, fault)


async def _watch(house: Gateway, run: int, opened_s: dict[str, float], begin_s: float) -> None:
    """Write down when each circuit was first seen open."""
    while (now_s := time.perf_counter() - begin_s) < RUN_S and len(opened_s) < len(SCRIPTS):
        told = await asyncio.to_thread(ask, house.port, "GET", "/admin/flow", key=ADMIN_KEY)
        for way in SCRIPTS:
            models = told["providers"][_slug(way)]["models"]
            if models.get(f"{_slug(way)}-{run}", {}).get("circuit", {}).get("opened"):
                opened_s.setdefault(way, now_s)
        await asyncio.sleep(LOOK_S)


def _figures(both: Sequence[Outcome], direct: Sequence[Outcome], opened_s: float) -> Figures:
    after = [one for one in both if one.good and one.provider == "second" and one.end_s >= opened_s]
    last_s = min(opened_s + OPEN_S, RUN_S)
    since = [one for one in both if opened_s <= one.shot.at_s < last_s]
    beside = [one for one in direct if opened_s <= one.shot.at_s < last_s]
    added_ms = [1000 * (latency_s(since, q) - latency_s(beside, q)) for q in (0.5, 0.99)]
    return {
        LATE: max(late_s(both), late_s(direct)),
        "the circuit opens after, s": opened_s - DOWN_S,
        FIRST: min((one.end_s for one in after), default=inf) - opened_s,
        EXTRA: added_ms[0],
        EXTRA_P99: added_ms[1],
        "callers served, %": 100 * sum(one.good for one in both) / len(both),
        "slowest caller, s": max(one.total_s for one in both),
    }
