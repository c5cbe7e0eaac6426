"""A provider that grants so many calls and tokens in a minute, and callers who want half more.

A burst empties the buckets of both sides; what the provider granted and refused in the half minute
after that is what is told.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Final

import msgspec

from benchmarks.flow.system.client import Client, Outcome, Shot, on_loop, poisson_s
from benchmarks.flow.system.effort import Effort, Told
from benchmarks.flow.system.figures import LATE, Figures, Goal, Goals, Row, late_s, rows
from benchmarks.flow.system.house import Gateway, Provider, Sim, gateway, sim

CALLS_PER_MINUTE: Final = 600
"""What binds grants about so many: a run is short, and the machine is not what binds."""

TOKENS_EACH: Final = 130
LOAD: Final = 1.5
BURST_S: Final = 8.0
SETTLE_S: Final = 6.0
MEASURED_S: Final = 30.0
RUNS_ABREAST: Final = 2  # of four ways each

USED: Final = "used of what binds, %"
REFUSED: Final = "refused by the provider, % of sent"
SEEN: Final = "callers who saw that, %"


class Way(msgspec.Struct, frozen=True):
    """One provider, and what the gateway is told of it.

    Attributes:
        requests: calls it grants in a minute.
        tokens: tokens it grants in a minute.
        quota: what the gateway is told; `None` for nothing.
    """

    requests: int
    tokens: int
    quota: Mapping[str, Any] | None

    @property
    def calls_per_s(self) -> float:
        """Calls that it has room for."""
        return min(self.requests, self.tokens / TOKENS_EACH) / 60

    def used(self, requests: float, tokens: float) -> float:
        """What share of what binds so many granted in the time measured are."""
        minutes = MEASURED_S / 60
        return max(requests / (self.requests * minutes), tokens / (self.tokens * minutes))


def _counted(requests: int, tokens: int) -> Way:
    return Way(requests, tokens, {"requests_per_minute": requests, "tokens_per_minute": tokens})


BY_CALLS: Final = _counted(CALLS_PER_MINUTE, 10 * CALLS_PER_MINUTE * TOKENS_EACH)
BY_TOKENS: Final = _counted(10 * CALLS_PER_MINUTE, CALLS_PER_MINUTE * TOKENS_EACH)
WAYS: Final[Mapping[str, Way]] = {
    "requests bind": BY_CALLS,
    "tokens bind": BY_TOKENS,
    "tokens bind, told by headers": Way(BY_TOKENS.requests, BY_TOKENS.tokens, {}),
    "requests bind, no quota set": Way(BY_CALLS.requests, BY_CALLS.tokens, None),
}
GOALS: Final[Goals] = {
    (figure, way): goal
    for way, set_ in WAYS.items()
    if set_.quota is not None
    for figure, goal in (
        (USED, Goal(least=95.0)),
        (REFUSED, Goal(most=1.0)),
        (SEEN, Goal(most=0.0)),
    )
}


def measure(effort: Effort, directory: Path, told: Told) -> list[Row]:
    """Every way at the same time, each in front of a provider of its own."""
    found: dict[str, list[Figures]] = {name: [] for name in WAYS}
    with ExitStack() as stack:
        lanes: dict[str, Sim] = {}
        providers: dict[str, Provider] = {}
        for abreast in range(RUNS_ABREAST):
            for at, way in enumerate(WAYS.values()):
                name = f"p{abreast}-{at}"
                limits = {"rate_limit": way.requests, "rate_limit_tokens": way.tokens}
                lanes[name] = stack.enter_context(sim(f"quota-{name}", directory, at, **limits))
                settings = {} if way.quota is None else {"quota": way.quota}
                providers[name] = Provider(lanes[name].port, (300.0, 0.0), settings=settings)
        models = {
            _model(run, at): [f"p{run % RUNS_ABREAST}-{at}/m{run}"]
            for run in range(effort.runs)
            for at in range(len(WAYS))
        }
        house = stack.enter_context(gateway("quota", directory, providers, models))
        for runs in effort.turns(RUNS_ABREAST):
            told(f"quota, runs {runs[0] + 1} to {runs[-1] + 1}")
            for lane in lanes.values():
                lane.reset()
            for name, figures in on_loop(_meet(house, lanes, runs, effort)):
                found[name].append(figures)
    return rows("quota", found, GOALS)


def _model(run: int, at: int) -> str:
    return f"m{run}-{at}"


async def _meet(
    house: Gateway, lanes: Mapping[str, Sim], runs: Sequence[int], effort: Effort
) -> list[tuple[str, Figures]]:
    client = Client(house.port)
    met = await asyncio.gather(
        *(
            _ask_for(client, lanes[f"p{run % RUNS_ABREAST}-{at}"], name, run, effort.seed + run)
            for run in runs
            for at, name in enumerate(WAYS)
        )
    )
    client.close()
    return list(met)


async def _ask_for(
    client: Client, lane: Sim, name: str, run: int, seed: int
) -> tuple[str, Figures]:
    at, way = list(WAYS).index(name), WAYS[name]
    counting = asyncio.create_task(_count(lane))
    outcomes = await client.run(shots(way, _model(run, at), seed))
    before, after = await counting
    return name, figures(way, before, after, outcomes)


def shots(way: Way, model: str, seed: int) -> list[Shot]:
    """What callers ask of one provider: a minute's worth at first, and then half too much."""
    dice = Random(f"quota {model} {seed}")
    burst_s = poisson_s(dice, way.calls_per_s * (LOAD + 60 / BURST_S), BURST_S)
    rest_s = poisson_s(dice, way.calls_per_s * LOAD, SETTLE_S + MEASURED_S)
    times_s = [*burst_s, *(BURST_S + at_s for at_s in rest_s)]
    return [
        Shot(
            at_s=at_s,
            model=model,
            text=f"{seed} {number} " + "water " * dice.randint(20, 100),
            tokens=dice.choice((30, 60, 90)),
            stream=False,
        )
        for number, at_s in enumerate(times_s)
    ]


async def _count(lane: Sim) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What a provider has seen when the buckets are empty, and at the end."""
    begin_s = time.monotonic()
    await asyncio.sleep(BURST_S + SETTLE_S)
    before = await asyncio.to_thread(lane.stats)
    await asyncio.sleep(begin_s + BURST_S + SETTLE_S + MEASURED_S - time.monotonic())
    return before, await asyncio.to_thread(lane.stats)


def figures(
    way: Way, before: Mapping[str, Any], after: Mapping[str, Any], outcomes: Sequence[Outcome]
) -> Figures:
    """What one run of one way says.

    Args:
        way: which.
        before: what the provider had seen when measuring began.
        after: and at the end.
        outcomes: of all calls.
    """
    came, refused, tokens = (
        after[name] - before[name] for name in ("requests_total", "refused", "charged_tokens")
    )
    measured = [one for one in outcomes if one.shot.at_s >= BURST_S + SETTLE_S]
    return {
        LATE: late_s(outcomes),
        USED: 100 * way.used(came - refused, tokens),
        REFUSED: 100 * refused / max(1, came),
        SEEN: 100 * fmean(one.status == 429 for one in measured),
        "callers told to come again, %": 100 * fmean(one.status == 503 for one in measured),
    }
