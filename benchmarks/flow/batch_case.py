"""What merging embeddings saves and costs: seeded experiments on a simulated clock.

Nothing here is timed. Every seed meets the same callers with and without merging.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from benchmarks.flow.batch_world import Outcome, Provider, World
from benchmarks.ratios import quantile
from headrace.cache.simulation.estimate import Estimate, estimate

SEEDS: Final = range(201, 211)
CALLERS: Final = 100
WARM_S: Final = 4.0
RUN_S: Final = 20.0
# A model on the same machine, one in the same town, and one across an ocean.
PROVIDERS: Final[Mapping[str, Provider]] = {
    "20 ms": Provider(call_s=0.02, item_s=0.0002),
    "60 ms": Provider(call_s=0.06, item_s=0.0003),
    "150 ms": Provider(call_s=0.15, item_s=0.0005),
    "400 ms": Provider(call_s=0.4, item_s=0.001),
}
FEWER, ADDED, IDLE = "calls without / with", "p50 added, ms", "p50 added, one caller, ms"
GOALS: Final[Mapping[str, tuple[float, float]]] = {
    FEWER: (3.0, float("inf")),
    ADDED: (float("-inf"), 10.0),
    IDLE: (float("-inf"), 1.0),
}


class Row(msgspec.Struct, frozen=True):
    """One figure over all seeds.

    Attributes:
        figure: of what.
        provider: what a call to it takes.
        mean: over seeds.
        low: where the true mean is with 95 % confidence, from here
        high: to here.
        seeds: how many there were.
        goal: what it has to be.
        is_kept: whether the whole interval keeps it.
    """

    figure: str
    provider: str
    mean: float
    low: float
    high: float
    seeds: int
    goal: str
    is_kept: bool


def measure(seeds: Sequence[int], done: Callable[[str], None]) -> list[Row]:
    """Run every experiment with every seed.

    Args:
        seeds: of what is random.
        done: told of each step.
    """
    rows = []
    for name, provider in PROVIDERS.items():
        figures: dict[str, list[float]] = {FEWER: [], ADDED: [], IDLE: []}
        for seed in seeds:
            alone, merged = _both(provider, CALLERS, seed)
            figures[FEWER].append(_per_request(alone) / _per_request(merged))
            figures[ADDED].append(_p50_ms(merged) - _p50_ms(alone))
            alone, merged = _both(provider, 1, seed)
            figures[IDLE].append(_p50_ms(merged) - _p50_ms(alone))
        rows += [_row(figure, name, estimate(values)) for figure, values in figures.items()]
        done(name)
    return rows


def _both(provider: Provider, callers: int, seed: int) -> tuple[Outcome, Outcome]:
    return (
        World(provider, callers, seed, merges=False).run(WARM_S, RUN_S),
        World(provider, callers, seed, merges=True).run(WARM_S, RUN_S),
    )


def _per_request(outcome: Outcome) -> float:
    return outcome.calls / len(outcome.latencies_s)


def _p50_ms(outcome: Outcome) -> float:
    return quantile(outcome.latencies_s, 0.5) * 1000


def _row(figure: str, provider: str, value: Estimate) -> Row:
    least, most = GOALS[figure]
    return Row(
        figure=figure,
        provider=provider,
        mean=value.mean,
        low=value.low,
        high=value.high,
        seeds=value.samples,
        goal=f">= {least:g}" if most == float("inf") else f"<= {most:g}",
        is_kept=least <= value.low and value.high <= most,
    )
