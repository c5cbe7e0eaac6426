"""Eviction policies on the drifting, priced workload: what each saves, and the selector's promise.

Nothing here is timed. Every seed is replayed through every policy, so differences are paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from benchmarks.progress import Steps
from benchmarks.records import Bar, Interval, PolicyRow, Verdict
from headrace.cache.simulation import (
    POLICIES,
    Capacity,
    Trace,
    Workload,
    collect,
    generate,
    make_contender,
    preset,
    study,
)
from headrace.cache.simulation.estimate import estimate
from headrace.cache.simulation.study import BASELINE, BOUND, Study, steps_count
from headrace.cache.simulation.synthetic import Tier

WORKLOADS: Final[Mapping[str, Workload]] = {
    "mild drift": preset("mild"),
    "strong drift": preset("strong"),
    # No part of the promise: here another policy than with several prices is the best.
    "mild drift, one price": msgspec.structs.replace(
        preset("mild"), tiers=(Tier("one", 1.0, 2.5, 10.0),)
    ),
}
CAPACITIES: Final = (Capacity("2%", share=0.02), Capacity("10%", share=0.1))
SELECTOR: Final = "auto"
# Where cost-aware eviction pays most: memory is tight, and what is popular lasts.
GAIN_SETTING: Final = "2%, mild drift"

ABOVE_LRU_POINTS_MIN: Final = 5.0
BELOW_BEST_POINTS_MAX: Final = 1.0

SavedByPolicy = Mapping[str, Sequence[float]]
"""Shares of all spend that a policy saved, one for each seed."""


def measure(seeds: Sequence[int], steps: Steps) -> list[PolicyRow]:
    """Replay every policy in every setting.

    Args:
        seeds: a workload of each.
        steps: progress.
    """
    rows: list[PolicyRow] = []
    for name, workload in WORKLOADS.items():
        steps.start(f"policies, {name}", len(seeds) * steps_count(POLICIES, CAPACITIES))
        traces = _traces(name, workload, seeds)
        found = study(traces, POLICIES, CAPACITIES, make_contender, steps.done)
        for capacity in CAPACITIES:
            rows += _rows(found, name, capacity.name)
    return rows


def bars(rows: Sequence[PolicyRow]) -> list[Bar]:
    """Hold what the selector saved against what is promised; nothing where nothing was run."""
    mine = [row for row in rows if row.policy == SELECTOR]
    gains = [_gain_bar(row) for row in mine if row.setting == GAIN_SETTING]
    return gains + [_best_bar(row) for row in mine]


def setting_rows(
    setting: str, saved: SavedByPolicy, hit_rates: SavedByPolicy
) -> Iterator[PolicyRow]:
    """A row for each policy of one setting.

    Args:
        setting: what it is called.
        saved: of the policies and the bound.
        hit_rates: of the same.
    """
    single = [name for name in saved if name not in {SELECTOR, BOUND}]
    best = max(single, key=lambda name: estimate(saved[name]).mean)
    for name in saved:
        yield PolicyRow(
            setting=setting,
            policy=name,
            hit_points=_interval(hit_rates[name]),
            saved_points=_interval(saved[name]),
            above_lru_points=_interval(_differences(saved[name], saved[BASELINE])),
            best=best,
            below_best_points=_interval(_differences(saved[best], saved[name])),
        )


def _traces(name: str, workload: Workload, seeds: Sequence[int]) -> Iterator[Trace]:
    for seed in seeds:
        yield collect(generate(workload, seed), f"{name}, seed {seed}")


def _rows(found: Study, workload: str, capacity: str) -> Iterator[PolicyRow]:
    names = (*POLICIES, BOUND)
    samples = [sample for run in found.runs for sample in run.samples]
    chosen = {
        name: [s.score for s in samples if s.policy == name and s.capacity == capacity]
        for name in names
    }
    return setting_rows(
        f"{capacity}, {workload}",
        {name: [score.saved_usd_share for score in chosen[name]] for name in names},
        {name: [score.hit_rate for score in chosen[name]] for name in names},
    )


def _differences(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value - other for value, other in zip(values, others, strict=True)]


def _interval(shares: Sequence[float]) -> Interval:
    found = estimate([share * 100 for share in shares])
    return Interval(found.mean, found.low, found.high, max(shares) * 100, found.samples)


def _gain_bar(row: PolicyRow) -> Bar:
    gain = row.above_lru_points
    promise = f">= {ABOVE_LRU_POINTS_MIN:g} points of spend"
    kept = gain.mean >= ABOVE_LRU_POINTS_MIN
    return Bar(f"selector above LRU, {row.setting}", promise, spell(gain), _verdict(kept))


def _best_bar(row: PolicyRow) -> Bar:
    loss = row.below_best_points
    promise = f"<= {BELOW_BEST_POINTS_MAX:g} points of spend"
    name = f"selector below the best single policy ({row.best}), {row.setting}"
    kept = loss.mean <= BELOW_BEST_POINTS_MAX
    return Bar(name, promise, spell(loss), _verdict(kept))


def spell(points: Interval) -> str:
    """A mean with its interval and what it is of."""
    return f"{points.mean:.2f}  ({points.low:.2f} - {points.high:.2f}, {points.samples} seeds)"


def _verdict(kept: bool) -> Verdict:
    return Verdict.PASS if kept else Verdict.MISS
