"""Twice what can be served in time, for a while: who is, with a reaction and without one."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import msgspec

from benchmarks.flow.system.client import Client, Outcome, Shot, on_loop
from benchmarks.flow.system.effort import Effort, Told
from benchmarks.flow.system.figures import LATE, Figures, Goal, Goals, Row, late_s, rows
from benchmarks.flow.system.house import ADMIN_KEY, Gateway, Provider, ask, gateway, sim
from benchmarks.flow.system.knee import KNEE_PER_S, LIMITS_OFF, PACE, SLO_S, SLOWS, mixed

MIX: Final[Mapping[str, float]] = {"high": 0.2, "normal": 0.5, "low": 0.3}
USUAL, TROUBLE = 0.6, 2.0
BEFORE_S, DURING_S, AFTER_S = 10.0, 90.0, 60.0
END_S: Final = BEFORE_S + DURING_S
PATIENCE_S: Final = 10.0
LOOK_S: Final = 0.25
WITH, WITHOUT = "shed", "no reaction"
REACTION: Final = {"action": "shed", "fast_s": 5, "slow_s": 15, "look_s": 2}
GOALS: Final[Goals] = {
    ("high in time, second half, %", WITH): Goal(least=50.0),
    ("high in time after, %", WITH): Goal(least=90.0),
}

Levels = list[tuple[float, float]]


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """Both ways meet the same calls at the same time, each with a provider of its own."""
    found: dict[str, list[Figures]] = {WITHOUT: [], WITH: []}
    for run in range(effort.runs):
        told(f"reaction, run {run + 1}")
        with ExitStack() as stack:
            houses = [_house(stack, way, directory, run) for way in found]
            met, levels = on_loop(_meet(houses, effort.seed + run))
            for way, outcomes, seen in zip(found, met, levels, strict=True):
                found[way].append(_figures(outcomes, seen))
    return rows("reaction", found, GOALS)


def _house(stack: ExitStack, way: str, directory: Path, run: int) -> Gateway:
    name = f"reaction-{way.replace(' ', '-')}-{run}"
    server = stack.enter_context(sim(name, directory, run, **SLOWS))
    slo: dict[str, Any] = {"name": "quick", "kind": "latency", "objective": 0.95}
    slo["threshold_ms"] = round(SLO_S * 1000)
    if way == WITH:
        slo["reaction"] = REACTION
    provider = Provider(server.port, PACE, settings=LIMITS_OFF)
    return stack.enter_context(
        gateway(name, directory, {"p": provider}, {"m": ["p/m"]}, slos=[slo])
    )


async def _meet(houses: Sequence[Gateway], seed: int) -> tuple[list[list[Outcome]], list[Levels]]:
    shots = list(chain.from_iterable(phases(seed)))
    clients = [Client(house.port) for house in houses]
    levels: list[Levels] = [[] for _ in houses]
    looking = [asyncio.create_task(_look(*each)) for each in zip(houses, levels, strict=True)]
    met = await asyncio.gather(*(client.run(shots) for client in clients))
    await asyncio.gather(*looking)
    for client in clients:
        client.close()
    return list(met), levels


def phases(seed: int) -> list[list[Shot]]:
    """The calls before the trouble, in it and after it."""
    begin_s, made = 0.0, []
    lengths = ((USUAL, BEFORE_S), (TROUBLE, DURING_S), (USUAL, AFTER_S))
    for number, (load, seconds) in enumerate(lengths):
        shots = mixed(seed + 1000 * number, load, "m", seconds, deadline_s=PATIENCE_S, mix=MIX)
        made.append([msgspec.structs.replace(one, at_s=one.at_s + begin_s) for one in shots])
        begin_s += seconds
    return made


async def _look(house: Gateway, seen: Levels) -> None:
    """Write down how much gives way."""
    begin_s = time.monotonic()
    while (at_s := time.monotonic() - begin_s) < END_S + AFTER_S:
        told = await asyncio.to_thread(ask, house.port, "GET", "/admin/slos", key=ADMIN_KEY)
        reaction = told["data"][0]["reaction"]
        seen.append((at_s, 0.0 if reaction is None else float(reaction["share"])))
        await asyncio.sleep(LOOK_S)


def _figures(outcomes: Sequence[Outcome], levels: Levels) -> Figures:
    during = [one for one in outcomes if BEFORE_S <= one.shot.at_s < END_S]
    after = [one for one in outcomes if one.shot.at_s >= END_S]
    late = [one for one in during if one.shot.at_s >= BEFORE_S + DURING_S / 2]
    in_time = sum(one.within(SLO_S) for one in during)
    return {
        LATE: late_s(outcomes),
        "high in time, %": _high(during),
        "high in time, second half, %": _high(late),
        "in time of the most possible": in_time / (DURING_S * KNEE_PER_S),
        "gave way, %": 100 * fmean(one.code == "slo_shed" for one in during),
        "gave way after, calls": float(sum(one.code == "slo_shed" for one in after)),
        "high in time after, %": _high(after),
        "most that gave way": max(share for _, share in levels),
        "nothing gives way after, s": next(
            (at_s - END_S for at_s, share in levels if at_s >= END_S and share == 0), AFTER_S
        ),
    }


def _high(outcomes: Sequence[Outcome]) -> float:
    return 100 * fmean(one.within(SLO_S) for one in outcomes if one.shot.priority == "high")
