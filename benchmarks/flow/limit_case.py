"""What a limit does for goodput, and what a provider has to refuse: on a simulated clock.

Nothing here is timed. Every seed meets every algorithm, and the same calls.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import fmean
from typing import Final

import msgspec

from benchmarks.flow.limit_world import Outcome, Plan, World
from benchmarks.flow.simulated_server import ServerTerms
from headrace.cache.simulation.estimate import estimate
from headrace.flow.adaptive_limiter import AlgorithmName, make_limit
from headrace.flow.limit.base import Limit
from headrace.flow.limit.fixed import FixedLimit
from headrace.flow.limit.vegas import VegasLimit
from headrace.flow.limit.windowed import WindowedLimit

# Not those that the defaults were chosen by: 0 to 7 and 201 to 210.
SEEDS: Final = range(301, 311)
INITIAL: Final = 4
LIMIT_MAX: Final = 1000
NO_LIMIT: Final = 1_000_000

KNEE: Final = 20
CALL_S: Final = 0.5
LOADS: Final = (0.5, 1.0, 2.0, 4.0)
# The best achievable: the best of these in hindsight, of the same seed.
BEST_OF: Final = (17, 19, 20, 22)

LOW, STEP_S, END_S = 5, 30.0, 90.0
STEP_LOAD: Final = 1.5
SETTLED_WITHIN: Final = (0.8, 1.25)
SETTLED_FOR_TENTHS: Final = 20

Make = Callable[[], Limit]
Figures = Mapping[str, float]

ADAPTIVE: Final[tuple[AlgorithmName, ...]] = ("gradient", "cubic", "aimd", "gradient2", "vegas")


class Goal(msgspec.Struct, frozen=True):
    """What a figure of one algorithm has to be, with its whole interval."""

    least: float = float("-inf")
    most: float = float("inf")

    def __str__(self) -> str:
        return f">= {self.least:g}" if self.most == float("inf") else f"<= {self.most:g}"


GOALS: Final[Mapping[tuple[str, str], Goal]] = {
    **{(f"goodput of the best, {load:g}x the knee", "gradient"): Goal(least=0.9) for load in LOADS},
    ("seconds to settle at 5", "cubic"): Goal(most=5.0),
    ("seconds to settle at 20", "cubic"): Goal(most=5.0),
    ("refused by the provider, % of sent", "cubic"): Goal(most=3.0),
    ("goodput of fixed 10, 4x the knee", "gradient"): Goal(least=1.3),
}


class Row(msgspec.Struct, frozen=True):
    """One figure of one algorithm over all seeds.

    Attributes:
        figure: of what.
        way: the algorithm.
        mean: over seeds.
        low: where the true mean is with 95 % confidence, from here
        high: to here.
        worst: the largest of all seeds.
        seeds: how many there were.
        goal: what it has to be, where something is promised.
        is_kept: whether the whole interval keeps it.
    """

    figure: str
    way: str
    mean: float
    low: float
    high: float
    worst: float
    seeds: int
    goal: str = ""
    is_kept: bool | None = None


def measure(seeds: Sequence[int], done: Callable[[str], None]) -> list[Row]:
    """Run every experiment with every seed and every algorithm.

    Args:
        seeds: of calls.
        done: told of each step.
    """
    ways: dict[str, Make] = {name: _maker(name) for name in ADAPTIVE}
    fixed: dict[str, Make] = {
        "fixed 10": lambda: FixedLimit(10),
        "no limit": lambda: FixedLimit(NO_LIMIT),
    }
    rows: list[Row] = []
    for load in LOADS:
        done(f"{load:g} times the knee")
        rows += _rows(overload(load, {**ways, **fixed}, seeds))
    done("capacity 20, 5, 20")
    rows += _rows(steps(ways, seeds))
    cubic = {"cubic": ways["cubic"]}
    rows += _rows(steps(cubic, seeds, retry_after_s=1.0))
    for call_s in (1.0, 2.0):
        done(f"capacity 20, 5, 20, calls of {call_s:g} s")
        rows += _rows(steps(cubic, seeds, call_s=call_s))
    return rows


def overload(
    load: float, ways: Mapping[str, Make], seeds: Sequence[int]
) -> dict[str, list[Figures]]:
    """A server with a knee that takes everything in, at a load given as a multiple of the knee."""
    plan = Plan(
        terms=ServerTerms(refuses=False, thrash=0.3),
        capacities=((0.0, KNEE),),
        rate_per_s=load * KNEE / CALL_S,
        seconds=70.0,
        call_s=CALL_S,
        counted_from_s=10.0,
    )
    name = f"{load:g}x the knee"
    found: dict[str, list[Figures]] = {way: [] for way in ways}
    for seed in seeds:
        best = max(World(plan, FixedLimit(count), seed).run().good for count in BEST_OF)
        ends = {way: World(plan, make(), seed).run() for way, make in ways.items()}
        for way, end in ends.items():
            figures = {f"goodput of the best, {name}": end.good / best}
            if way != "fixed 10" and "fixed 10" in ends:
                figures[f"goodput of fixed 10, {name}"] = end.good / ends["fixed 10"].good
            found[way].append(figures)
    return found


def steps(
    ways: Mapping[str, Make],
    seeds: Sequence[int],
    *,
    retry_after_s: float | None = None,
    call_s: float = CALL_S,
) -> dict[str, list[Figures]]:
    """A provider that refuses what is beyond its capacity, which goes from 20 to 5 and back."""
    plan = Plan(
        terms=ServerTerms(refuses=True),
        capacities=((0.0, KNEE), (STEP_S, LOW), (2 * STEP_S, KNEE)),
        rate_per_s=STEP_LOAD * KNEE / call_s,
        seconds=END_S,
        call_s=call_s,
        patience_s=call_s,
        deadline_s=4 * call_s,
        retry_after_s=retry_after_s,
    )
    note = "" if call_s == CALL_S else f", calls of {call_s:g} s"
    note += f", retry-after {retry_after_s:g} s" if retry_after_s else ""
    most = (2 * KNEE + LOW) * STEP_S / call_s
    found: dict[str, list[Figures]] = {way: [] for way in ways}
    for seed in seeds:
        for way, make in ways.items():
            end = World(plan, make(), seed).run()
            found[way].append(
                {
                    f"seconds to settle at 5{note}": settled_s(end, STEP_S, LOW),
                    f"seconds to settle at 20{note}": settled_s(end, 2 * STEP_S, KNEE),
                    f"refused by the provider, % of sent{note}": 100 * end.refused / end.sent,
                    f"goodput of the capacity{note}": end.good / most,
                }
            )
    return found


def settled_s(end: Outcome, from_s: float, capacity: int) -> float:
    """Seconds from a step until the limit, over two seconds, is near the capacity.

    Near is from 20 % below to 25 % above; the end of the step where it never is.
    """
    first, last = round(from_s * 10), round((from_s + STEP_S) * 10)
    for tenth in range(first, last - SETTLED_FOR_TENTHS):
        mean = fmean(end.limits[tenth : tenth + SETTLED_FOR_TENTHS])
        if SETTLED_WITHIN[0] <= mean / capacity <= SETTLED_WITHIN[1]:
            return (tenth - first) / 10
    return STEP_S


def _maker(name: AlgorithmName) -> Make:
    if name == "vegas":  # its lots are to be the same in every run
        return lambda: WindowedLimit(VegasLimit(uniform=Random("vegas").random, initial=INITIAL))
    # The signals are multiples of the least.
    return lambda: make_limit(name, INITIAL, 1, LIMIT_MAX, 1.0)


def _rows(found: Mapping[str, Sequence[Figures]]) -> list[Row]:
    names = dict.fromkeys(name for made in found.values() for name in made[0])
    return [
        _row(name, way, [figures[name] for figures in made])
        for name in names
        for way, made in found.items()
        if name in made[0]
    ]


def _row(figure: str, way: str, values: Sequence[float]) -> Row:
    value = estimate(values)
    goal = GOALS.get((figure, way))
    return Row(
        figure=figure,
        way=way,
        mean=value.mean,
        low=value.low,
        high=value.high,
        worst=max(values),
        seeds=value.samples,
        goal="" if goal is None else str(goal),
        is_kept=None if goal is None else goal.least <= value.low and value.high <= goal.most,
    )
