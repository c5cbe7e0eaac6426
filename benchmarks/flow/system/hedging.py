"""Calls of which a few take twenty times as long, made once, and made twice where they are late.

The tail is in both providers. Of 1 %, the p99 lies on the edge between the slow and all others: it
is the one in this run and the other in the next, whatever is done about it. So each run is met with
no tail at all besides, which is the most that could be done, and the tail is looked at beyond the
edge too: at p99.5, and at p99 where 1.5 % are slow.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
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

RATE_PER_S: Final = 60.0
WARM_UP_S: Final = 2.0
RUN_S: Final = WARM_UP_S + 12.0
ABREAST: Final = 2
FIRST_MS: Final = 100.0
SLOW: Final = 20.0
# Not all calls are alike besides: of the rest, every fifth takes longer.
SPREAD: Final[Sequence[Mapping[str, Any]]] = (
    {"kind": "slow", "share": 0.08, "delay_ms": 80.0},
    {"kind": "slow", "share": 0.12, "delay_ms": 40.0},
)
TAILS: Final[Mapping[str, float]] = {"1 %": 0.01, "1.5 %": 0.015}
PLAIN, HEDGED, NONE = "without", "hedged", "no tail"
_LANES: Final[Mapping[str, Mapping[str, Any]]] = {
    PLAIN: {},
    HEDGED: {"hedge": {"enabled": True}},
    NONE: {},
}
_RATIOS: Final[Mapping[str, float]] = {"p99 / without": 0.99, "p99.5 / without": 0.995}
EXTRA: Final = "extra calls, %"
GOALS: Final[Goals] = {
    **{(ratio, f"{HEDGED}, {tail}"): Goal(most=1 / 3) for ratio in _RATIOS for tail in TAILS},
    **{(EXTRA, f"{HEDGED}, {tail}"): Goal(most=3.0) for tail in TAILS},
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """1 % and 1.5 % of the calls take twenty times as long, at both of two providers."""
    found: dict[str, list[Figures]] = {}
    with ExitStack() as stack:
        sims = [
            stack.enter_context(sim(f"hedging-{name}", directory, effort.seed + at))
            for at, name in enumerate(("first", "second"))
        ]
        house = _house(stack, directory, sims, effort)
        for tail, share in TAILS.items():
            for runs in effort.turns(ABREAST):
                told(f"{tail} of the calls, runs {runs[0] + 1} to {runs[-1] + 1}")
                _script(sims, share, runs)
                met = on_loop(_meet(house, runs, effort.seed))
                for run, ways in zip(runs, met, strict=True):
                    for way, figures in _figures(ways, sims, run):
                        found.setdefault(f"{way}, {tail}", []).append(figures)
    return rows("hedging", found, GOALS)


def _house(stack: ExitStack, directory: Path, sims: Sequence[Sim], effort: Effort) -> Gateway:
    providers, models = {}, {}
    for way, settings in _LANES.items():
        lane = way.replace(" ", "-")
        for at, server in enumerate(sims):
            providers[f"{lane}-{at}"] = Provider(server.port, (FIRST_MS, 0.0), settings=settings)
        for run in range(effort.runs):
            targets = [f"{lane}-{at}/{_model(way, run)}" for at in range(len(sims))]
            models[_model(way, run)] = targets
    return stack.enter_context(gateway("hedging", directory, providers, models))


def _model(way: str, run: int) -> str:
    return f"{way.replace(' ', '-')}-{run}"


def _script(sims: Sequence[Sim], share: float, runs: Sequence[int]) -> None:
    late: Mapping[str, Any] = {
        "kind": "slow",
        "share": share,
        "delay_ms": (SLOW - 1) * FIRST_MS,
    }
    script = [
        {**fault, "times": None, "model": _model(way, run)}
        for run in runs
        for way in _LANES
        for fault in ((*SPREAD,) if way == NONE else (late, *SPREAD))
    ]
    for server in sims:
        server.reset()
        server.script(*script)


async def _meet(house: Gateway, runs: Sequence[int], seed: int) -> list[dict[str, list[Outcome]]]:
    client = Client(house.port)
    calls = [_shots(seed + run, run, way) for run in runs for way in _LANES]
    met = await asyncio.gather(*map(client.run, calls))
    client.close()
    ways = len(_LANES)
    return [dict(zip(_LANES, met[at : at + ways], strict=True)) for at in range(0, len(met), ways)]


def _shots(seed: int, run: int, way: str) -> list[Shot]:
    times_s = poisson_s(Random(f"hedging {seed}"), RATE_PER_S, RUN_S)
    return [
        Shot(at_s=at_s, model=_model(way, run), text=f"{seed} {number}")
        for number, at_s in enumerate(times_s)
    ]


def _figures(
    ways: Mapping[str, Sequence[Outcome]], sims: Sequence[Sim], run: int
) -> Iterator[tuple[str, Figures]]:
    """What a run of each way says; the warm-up, before anything is known, left out."""
    settled = {
        way: [one for one in outcomes if one.shot.at_s >= WARM_UP_S]
        for way, outcomes in ways.items()
    }
    for way, outcomes in settled.items():
        figures = {
            LATE: late_s(outcomes),
            "p50, s": latency_s(outcomes, 0.5),
            "p99, s": latency_s(outcomes),
            "p99.5, s": latency_s(outcomes, 0.995),
        }
        if way != PLAIN:
            for ratio, share in _RATIOS.items():
                without_s = latency_s(settled[PLAIN], share)
                figures[ratio] = latency_s(outcomes, share) / without_s
        if way == HEDGED:
            figures[EXTRA] = 100 * (_calls(sims, _model(way, run)) / len(ways[way]) - 1)
        yield way, figures


def _calls(sims: Sequence[Sim], model: str) -> int:
    return sum(
        server.stats()["requests"].get("/v1/chat/completions", {}).get(model, 0) for server in sims
    )
