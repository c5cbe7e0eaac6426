"""What the cases about the whole cache leave behind."""

import msgspec

from benchmarks.adaptive_records import Mean
from benchmarks.records import OpenLoopRun, Spread


class TierRow(msgspec.Struct, frozen=True):
    """Hits of one tier beside memory hits on the same answers, in the same rounds.

    Attributes:
        tier: as `x-headrace-cache` says it.
        answer_bytes: length of the body of every answer.
        rate_per_s: requests a second, as a Poisson process.
        memory_p50_ms: of memory hits, from the intended send time.
        memory_p99_ms: the same.
        p50_ms: of the tier's hits.
        p99_ms: the same.
        added_p50_ms: the tier's less memory's of the same round.
        added_p99_ms: the same.
        void: why the row cannot be used.
        memory_rounds: every run of memory hits.
        rounds: every run of the tier's hits.
    """

    tier: str
    answer_bytes: int
    rate_per_s: float
    memory_p50_ms: Spread
    memory_p99_ms: Spread
    p50_ms: Spread
    p99_ms: Spread
    added_p50_ms: Spread
    added_p99_ms: Spread
    void: str | None
    memory_rounds: list[OpenLoopRun]
    rounds: list[OpenLoopRun]


class AskedRun(msgspec.Struct, frozen=True):
    """One workload of one seed, asked through the gateway.

    Attributes:
        requests: how many were asked.
        answered_by: how many answers said which thing of where they come from.
        upstream: calls that reached the provider, as the provider counted them.
        by_kind: of each kind of request, how many there were, and how many were no call.
        wrong: answers by meaning that belong to a question with another meaning.
        errors: requests that were not answered with 200.
    """

    requests: int
    answered_by: dict[str, int]
    upstream: int
    by_kind: dict[str, tuple[int, int]]
    wrong: int
    errors: int


class WorkloadRow(msgspec.Struct, frozen=True):
    """One workload over its seeds; everything in points of 100 requests.

    Attributes:
        name: which.
        made: how it is made, in words.
        hit_points: requests that were answered without a call of their own.
        fewer_points: calls that the provider did not get, by its own count.
        kinds: of each kind of request, its hits.
        by_meaning: hits by meaning, over all seeds.
        wrong: those of them that belong to another meaning.
        void: why the row cannot be used.
        runs: every seed.
    """

    name: str
    made: str
    hit_points: Mean
    fewer_points: Mean
    kinds: dict[str, Mean]
    by_meaning: int
    wrong: int
    void: str | None
    runs: list[AskedRun]


class WorkloadFigures(msgspec.Struct, frozen=True):
    """What was asked, and what could not be."""

    rows: list[WorkloadRow]
    notes: list[str] = []


class EnduranceSample(msgspec.Struct, frozen=True):
    """One look at a cache at work.

    Attributes:
        at_s: since its beginning.
        operations: so far.
        entries: held.
        bytes_held: as the cache says.
        bytes_counted: as counted beside it.
        rss_bytes: resident memory of its process.
    """

    at_s: float
    operations: int
    entries: int
    bytes_held: int
    bytes_counted: int
    rss_bytes: int


class EnduranceTotals(msgspec.Struct, frozen=True):
    """What a process counted over its whole run.

    Attributes:
        operations: on keys: look-ups, stores, additions and removals.
        seconds: that they took, pauses included.
        bytes_held_max: the most after any sixteenth operation, as the cache says.
        bytes_counted_max: the most after any operation, as counted beside it.
        hits: look-ups that found something.
        evicted: entries that left for want of room.
        expired: entries that left because their time was up.
        wrong: answers of another key, or past their time.
    """

    operations: int
    seconds: float
    bytes_held_max: int
    bytes_counted_max: int
    hits: int
    evicted: int
    expired: int
    wrong: int


class EnduranceRun(msgspec.Struct, frozen=True):
    """One cache under load for long.

    Attributes:
        name: which, and with which policy.
        bytes_max: its bound.
        operations: that it was to do.
        totals: of the whole run.
        over_points: what it held above its bound at worst, in points of the bound; as it says or
            as was counted beside it, whichever is more.
        apart_points: how far the two counts were apart at worst, in points of the bound.
        filled_points: what it held at least after it had warmed up, in points of the bound.
        rss_mib: resident memory after it had warmed up: median and range.
        rss_growth_points: growth from then to the end on a line through the samples, in points of
            `rss_mib`.
        rss_mib_per_million: slope of that line, for a million operations.
        samples: every look.
    """

    name: str
    bytes_max: int
    operations: int
    totals: EnduranceTotals
    over_points: float
    apart_points: float
    filled_points: float
    rss_mib: Spread
    rss_growth_points: float
    rss_mib_per_million: float
    samples: list[EnduranceSample]
