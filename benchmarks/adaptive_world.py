"""The drifting, priced workload of the policies' case, with a truth that changes.

Who asks what, and what it costs, takes and weighs, comes from the generator that the policies are
judged by. Added is what lifetimes are judged by: each key belongs to a route, and the right answer
to a route's keys changes at the route's own pace. Routes are drawn by key, so that they tell
nothing of what comes again. All is drawn beforehand: every engine meets the same requests, the same
upstream times and the same truth.
"""

import math
from bisect import bisect_right
from itertools import accumulate
from random import Random

import msgspec

from headrace.cache.simulation import Workload, generate, preset

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
NEVER = math.inf


class Route(msgspec.Struct, frozen=True):
    """One kind of question.

    Attributes:
        name: of the route; with the model's price it is the category.
        share: of the keys.
        change_s: mean seconds until the right answer is another one.
        noise: share of answers that differ without being wrong.
    """

    name: str
    share: float
    change_s: float
    noise: float = 0.0


MIXED = (
    Route("news", 0.1, HOUR_S / 3),
    Route("stock", 0.1, 6 * HOUR_S),
    Route("docs", 0.2, 2 * DAY_S),
    Route("faq", 0.3, 14 * DAY_S),
    Route("code", 0.2, NEVER),
    Route("draft", 0.1, NEVER, 0.3),
)
ALIKE = (Route("all", 1.0, 6 * HOUR_S),)


class World(msgspec.Struct, frozen=True):
    """A workload: who asks what, and how fast the truth changes."""

    name: str
    workload: Workload
    routes: tuple[Route, ...]


def world(name: str, drift: str, routes: tuple[Route, ...], rate_per_s: float) -> World:
    """The workload of a drift, slowed down to `rate_per_s`."""
    workload = msgspec.structs.replace(preset(drift), rate_per_s=rate_per_s)
    return World(name, workload, routes)


class Ask(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What is asked with one key, whenever it is."""

    key: bytes
    category: str
    tenant: str
    size: int
    cost_usd: float
    seconds: float
    change_s: float
    noise: float


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One request; `luck` scales how long the upstream would take for it."""

    t_s: float
    ask: Ask
    luck: float


def arrivals(of: World, seed: int) -> list[Arrival]:
    """Every request in the order of time."""
    dice = Random(f"routes {seed}")
    bounds = tuple(accumulate(route.share for route in of.routes))
    asks: dict[str, Ask] = {}
    made = []
    for event in generate(of.workload, seed):
        ask = asks.get(event.key)
        if ask is None:
            route = of.routes[bisect_right(bounds, dice.random() * bounds[-1])]
            ask = asks[event.key] = Ask(
                key=event.key.encode(),
                # The price is known beforehand; whether a key comes again is not.
                category=f"{route.name}/{event.key.partition('-')[0]}",
                tenant=event.tenant,
                size=event.size,
                cost_usd=event.cost_usd,
                seconds=event.latency_s,
                change_s=route.change_s,
                noise=route.noise,
            )
        made.append(Arrival(event.t_s, ask, dice.lognormvariate(0.0, 0.3)))
    return made


class Truth:
    """When the right answer to a key changed: a Poisson process, the same for every engine."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._changes: dict[bytes, tuple[Random, list[float]]] = {}

    def version(self, ask: Ask, t_s: float) -> int:
        """How often the answer had changed by then."""
        if ask.change_s == NEVER:
            return 0
        known = self._changes.get(ask.key)
        if known is None:
            dice = Random(f"{self._seed}:{ask.key.decode()}")
            known = self._changes[ask.key] = (dice, [dice.expovariate(1.0 / ask.change_s)])
        dice, times_s = known
        while times_s[-1] <= t_s:
            times_s.append(times_s[-1] + dice.expovariate(1.0 / ask.change_s))
        return bisect_right(times_s, t_s)
