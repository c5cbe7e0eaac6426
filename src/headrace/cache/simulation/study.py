"""Every policy at every capacity over every trace, and what comes of it."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from headrace.cache.policy import Policy
from headrace.cache.simulation.estimate import Estimate, estimate
from headrace.cache.simulation.optimum import Optimum
from headrace.cache.simulation.replay import Score, replay
from headrace.cache.simulation.trace import Trace

BASELINE: Final = "lru"
BOUND: Final = "bound"
UNBOUNDED: Final = "all repeats"

MakePolicy = Callable[[str, int], Policy[int]]
"""A new policy by its name, for a cache of so many bytes."""


class Capacity(msgspec.Struct, frozen=True):
    """How large a cache is.

    Attributes:
        name: how it was written.
        bytes_max: bytes, where they are given.
        share: part of a trace's footprint, where that is given.
    """

    name: str
    bytes_max: int | None = None
    share: float | None = None

    def of(self, trace: Trace) -> int:
        """Bytes for this trace, at least one."""
        if self.share is not None:
            return max(1, math.floor(self.share * trace.footprint_bytes))
        return self.bytes_max or 1


class Shape(msgspec.Struct, frozen=True):
    """What a trace is like.

    Attributes:
        name: what it is called.
        requests: how many there are.
        keys: of how many different keys.
        footprint_bytes: what a cache takes that holds all of them.
        spend_usd: what all calls cost without a cache.
        is_uniform: whether all answers are of one size.
        is_cut: whether there were more requests than were read.
    """

    name: str
    requests: int
    keys: int
    footprint_bytes: int
    spend_usd: float
    is_uniform: bool
    is_cut: bool


class Sample(msgspec.Struct, frozen=True):
    """One policy, or bound, at one capacity over one trace."""

    policy: str
    capacity: str
    score: Score


class Run(msgspec.Struct, frozen=True):
    """What one trace brought."""

    shape: Shape
    capacities_bytes: dict[str, int]
    samples: tuple[Sample, ...]


class Row(msgspec.Struct, frozen=True):
    """One policy, or bound, at one capacity over all traces.

    Attributes:
        policy: name of the policy; `bound` and `all repeats` are none.
        hit_rate: share of requests.
        byte_hit_rate: share of bytes.
        saved_usd_share: share of all spend.
        saved_s_share: share of all waiting.
        above_lru: dollars saved less what LRU saves of the same trace, as a share of all spend;
            `None` where LRU was not replayed.
    """

    policy: str
    hit_rate: Estimate
    byte_hit_rate: Estimate
    saved_usd_share: Estimate
    saved_s_share: Estimate
    above_lru: Estimate | None


class Table(msgspec.Struct, frozen=True):
    """All policies at one capacity, the bounds last."""

    capacity: str
    rows: tuple[Row, ...]

    def row(self, policy: str) -> Row:
        """The row of a policy.

        Raises:
            KeyError: it was not replayed.
        """
        for row in self.rows:
            if row.policy == policy:
                return row
        raise KeyError(policy)


class Study(msgspec.Struct, frozen=True):
    """All there is to tell."""

    runs: tuple[Run, ...]
    tables: tuple[Table, ...]


def study(
    traces: Iterable[Trace],
    policies: Sequence[str],
    capacities: Sequence[Capacity],
    make: MakePolicy,
    on_step: Callable[[str], None] = lambda _: None,
) -> Study:
    """Replay each trace through every policy at every capacity.

    Args:
        traces: taken one by one; several are samples of one thing, such as seeds.
        policies: names that `make` knows.
        capacities: sizes of the cache.
        make: makes a new policy.
        on_step: told what is done next.
    """
    runs = tuple(_run(trace, policies, capacities, make, on_step) for trace in traces)
    names = (*policies, BOUND, UNBOUNDED)
    return Study(runs, tuple(_table(runs, capacity.name, names) for capacity in capacities))


def steps_count(policies: Sequence[str], capacities: Sequence[Capacity]) -> int:
    """How many steps `study` tells for each trace."""
    return len(capacities) * (len(policies) + 1)


def _run(
    trace: Trace,
    policies: Sequence[str],
    capacities: Sequence[Capacity],
    make: MakePolicy,
    on_step: Callable[[str], None],
) -> Run:
    optimum = Optimum(trace)
    unbounded = optimum.unbounded()
    samples: list[Sample] = []
    for capacity in capacities:
        bytes_max = capacity.of(trace)
        for name in policies:
            on_step(f"{name} at {capacity.name}")
            score = replay(trace, make(name, bytes_max), bytes_max)
            samples.append(Sample(name, capacity.name, score))
        on_step(f"bound at {capacity.name}")
        samples.append(Sample(BOUND, capacity.name, optimum.bound(bytes_max)))
        samples.append(Sample(UNBOUNDED, capacity.name, unbounded))
    sizes = {capacity.name: capacity.of(trace) for capacity in capacities}
    return Run(_shape(trace), sizes, tuple(samples))


def _shape(trace: Trace) -> Shape:
    return Shape(
        name=trace.name,
        requests=len(trace),
        keys=trace.keys_count,
        footprint_bytes=trace.footprint_bytes,
        spend_usd=trace.spend_usd,
        is_uniform=trace.is_uniform,
        is_cut=trace.is_cut,
    )


def _table(runs: Sequence[Run], capacity: str, policies: Sequence[str]) -> Table:
    scores = {name: _scores(runs, capacity, name) for name in policies}
    baseline = scores.get(BASELINE)
    return Table(capacity, tuple(_row(name, scores[name], baseline) for name in policies))


def _scores(runs: Sequence[Run], capacity: str, policy: str) -> list[Score]:
    return [
        sample.score
        for run in runs
        for sample in run.samples
        if sample.capacity == capacity and sample.policy == policy
    ]


def _row(policy: str, scores: Sequence[Score], baseline: Sequence[Score] | None) -> Row:
    above = None
    if baseline is not None:
        # Paired: seeds differ far more from each other than policies do on one of them.
        above = estimate(
            [
                score.saved_usd_share - base.saved_usd_share
                for score, base in zip(scores, baseline, strict=True)
            ]
        )
    return Row(
        policy=policy,
        hit_rate=estimate([score.hit_rate for score in scores]),
        byte_hit_rate=estimate([score.byte_hit_rate for score in scores]),
        saved_usd_share=estimate([score.saved_usd_share for score in scores]),
        saved_s_share=estimate([score.saved_s_share for score in scores]),
        above_lru=above,
    )
