"""A provider that fails now and then, and one that is healthy behind it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Final

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
from benchmarks.flow.system.house import Gateway, Provider, Sim, gateway, sim

RATE_PER_S: Final = 80.0
RUN_S: Final = 12.0
ABREAST: Final = 2
PACE: Final = (40.0, 5.0)
TOKENS: Final = 3
# Twenty times what an answer takes, without which nobody would know of what has stalled.
PATIENT: Final[Mapping[str, Any]] = {"first_byte_timeout_s": 1.0, "idle_timeout_s": 1.0}

WHOLE, STREAM = "whole", "stream"
# What of a stream has been passed on cannot be asked for again: they fail before that.
FAULTS: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    WHOLE: (
        {"kind": "status", "status": 500, "share": 0.05},
        {"kind": "reset_before", "share": 0.01},
        {"kind": "reset_mid", "share": 0.01},
        {"kind": "stall_before", "share": 0.005},
        {"kind": "stall_mid", "share": 0.005},
    ),
    STREAM: (
        {"kind": "status", "status": 500, "share": 0.05},
        {"kind": "reset_before", "share": 0.02},
        {"kind": "stall_before", "share": 0.01},
    ),
}
BOTH, ALONE = "with a secondary", "alone"
GOALS: Final[Goals] = {
    ("callers served, %", BOTH): Goal(least=99.9),
    ("calls to providers for each of callers", BOTH): Goal(most=1.1),
    ("calls to the primary for each of callers", ALONE): Goal(most=1.1),
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """5 % 500, 2 % resets, 1 % stalls, with a second provider and without one."""
    found: dict[str, list[Figures]] = {BOTH: [], ALONE: []}
    with ExitStack() as stack:
        sims: dict[str, Sim] = {}
        for place in range(ABREAST):
            for name in ("first", "second", "only"):
                server = sim(f"faults-{name}-{place}", directory, effort.seed + place)
                sims[f"{name}-{place}"] = stack.enter_context(server)
        house = _house(stack, directory, sims, effort)
        for runs in effort.turns(ABREAST):
            told(f"faults, runs {runs[0] + 1} to {runs[-1] + 1}")
            _script(sims, runs)
            met = on_loop(_meet(house, runs, effort.seed))
            for run, (both, alone) in zip(runs, met, strict=True):
                counts = {name: _calls(server, run) for name, server in sims.items()}
                place = run % ABREAST
                first, second = counts[f"first-{place}"], counts[f"second-{place}"]
                found[BOTH].append(_figures(both, first, first + second))
                only = counts[f"only-{place}"]
                found[ALONE].append(_figures(alone, only, only))
    return rows("faults", found, GOALS)


def _house(stack: ExitStack, directory: Path, sims: Mapping[str, Sim], effort: Effort) -> Gateway:
    providers = {name: Provider(s.port, PACE, settings=PATIENT) for name, s in sims.items()}
    models: dict[str, list[str]] = {}
    for run in range(effort.runs):
        place = run % ABREAST
        for kind in FAULTS:
            model = f"{kind}-{run}"
            models[f"both-{model}"] = [f"first-{place}/{model}", f"second-{place}/{model}"]
            models[f"alone-{model}"] = [f"only-{place}/{model}"]
    return stack.enter_context(gateway("faults", directory, providers, models))


def _script(sims: Mapping[str, Sim], runs: Sequence[int]) -> None:
    script = [
        {**fault, "times": None, "model": f"{kind}-{run}"}
        for run in runs
        for kind, faults in FAULTS.items()
        for fault in faults
    ]
    for name, server in sims.items():
        server.reset()
        if not name.startswith("second"):
            server.script(*script)


async def _meet(
    house: Gateway, runs: Sequence[int], seed: int
) -> list[tuple[list[Outcome], list[Outcome]]]:
    client = Client(house.port)
    calls = [_shots(seed + run, run, way) for run in runs for way in ("both", "alone")]
    met = await asyncio.gather(*map(client.run, calls))
    client.close()
    return list(zip(met[::2], met[1::2], strict=True))


def _shots(seed: int, run: int, way: str) -> list[Shot]:
    dice = Random(f"faults {seed}")
    made: list[Shot] = []
    for number, at_s in enumerate(poisson_s(dice, RATE_PER_S, RUN_S)):
        kind = dice.choice((WHOLE, STREAM))
        made.append(
            Shot(
                at_s=at_s,
                model=f"{way}-{kind}-{run}",
                text=f"{seed} {number}",
                tokens=TOKENS,
                stream=kind == STREAM,
            )
        )
    return made


def _calls(server: Sim, run: int) -> int:
    models: Mapping[str, int] = server.stats()["requests"].get("/v1/chat/completions", {})
    return sum(models.get(f"{kind}-{run}", 0) for kind in FAULTS)


def _figures(outcomes: Sequence[Outcome], first: int, total: int) -> Figures:
    return {
        LATE: late_s(outcomes),
        "callers served, %": 100 * fmean(one.good for one in outcomes),
        "calls to providers for each of callers": total / len(outcomes),
        "calls to the primary for each of callers": first / len(outcomes),
        "p99 of what is served, s": latency_s(outcomes),
    }
