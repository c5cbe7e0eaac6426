"""From what workers counted to the figures of a phase, and to whether they may be used."""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from headrace.bench.load.call import OUTCOMES
from headrace.bench.load.histogram import Histogram
from headrace.bench.load.plan import Closed, Phase
from headrace.bench.load.samples import NONE, Table, joined
from headrace.bench.load.tally import Count, Outage, Window
from headrace.bench.load.workload import KINDS

_OK: Final = OUTCOMES.index("ok")
_INTERRUPTED: Final = OUTCOMES.index("interrupted")
# Below this, lag is what the timers of the machine are.
_LAG_MS_FREE: Final = 0.1
# A tenth of ten is one, but not in floats.
_ROUNDING: Final = 1e-9
_STREAM: Final = KINDS.index("stream")
_FROM_CACHE: Final = frozenset({"l1", "l2", "l3", "semantic", "joined"})


class Quantiles(msgspec.Struct, frozen=True):
    """Of durations, in milliseconds; nothing where there are too few for it to mean anything.

    Attributes:
        count: durations there were.
    """

    count: int = 0
    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None
    max_ms: float | None = None


class Point(msgspec.Struct, frozen=True):
    """A window of a phase; latencies are of those that succeeded.

    Attributes:
        at_s: its start, from the start of the phase.
        requests: intended in it.
        failed: of them.
    """

    at_s: float
    requests: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase came to.

    Attributes:
        requests: that were sent and ended; those that the end of the run cut off are not in it.
        interrupted: those.
        failed: of the requests.
        failed_share: of all.
        outcomes: requests by how they ended.
        details: failures in words.
        caches: answers by where the target says they are from.
        hit_share: answers from a cache, of those that say; `None` where none does.
        throughput_per_s: answers for each second, to the end of the last of them.
        good_per_s: good ones for each second of the schedule, or, of a closed loop, to the end of
            the last answer; this is goodput.
        good_share: good requests of all.
        e2e: of those that succeeded, from their intended time.
        strict: of all; one that failed took forever, which is told as none.
        ttft: of streams that succeeded, from their intended time to the first token.
        ttft_strict: of all streams; one that failed took forever, which is told as none.
        tpot: of streams that succeeded, (E2E - TTFT) / (tokens - 1).
        gaps: between tokens as they arrive.
        lag: from the intended time to when the client turned to the request.
        sampled_share: share of the requests that the quantiles are of; 1 is all.
        outages: when the target was down.
        points: its windows.
        void: why nothing of it may be used; else `None`.
    """

    requests: int
    interrupted: int
    failed: int
    failed_share: float
    outcomes: dict[str, int]
    details: dict[str, int]
    caches: dict[str, int]
    hit_share: float | None
    throughput_per_s: float
    good_per_s: float
    good_share: float
    e2e: Quantiles
    strict: Quantiles
    ttft: Quantiles
    ttft_strict: Quantiles = Quantiles()
    tpot: Quantiles
    gaps: Quantiles
    lag: Quantiles
    sampled_share: float
    outages: tuple[Outage, ...]
    points: tuple[Point, ...]
    void: str | None


def summarise(phase: Phase, counts: Sequence[Count], lag_share: float) -> tuple[Summary, Table]:
    """Put together what all workers counted in a phase, and the requests they kept.

    Args:
        phase: the phase.
        counts: one of each worker.
        lag_share: of the p99 latency, above which the client's p99 lag voids the phase.
    """
    table = joined([count.table for count in counts])
    outcomes = _sum(count.outcomes for count in counts)
    caches = _sum(count.caches for count in counts)
    interrupted = outcomes.get("interrupted", 0)
    requests = sum(outcomes.values()) - interrupted
    answered = outcomes.get("ok", 0)
    seconds = max(phase.seconds, *(count.answered_s for count in counts))
    # What a schedule asks for in a second does not change with when the last answer comes.
    asked_s = seconds if isinstance(phase.arrivals, Closed) else phase.seconds
    good = sum(count.good for count in counts)
    kept = _rows(table)
    e2e = quantiles(kept.e2e_ok)
    lag = quantiles(kept.lag)
    told = sum(caches.values())
    hits = sum(count for name, count in caches.items() if name in _FROM_CACHE)
    summary = Summary(
        requests=requests,
        interrupted=interrupted,
        failed=requests - answered,
        failed_share=(requests - answered) / requests if requests else 0.0,
        outcomes=outcomes,
        details=_sum(count.details for count in counts),
        caches=caches,
        hit_share=hits / told if told else None,
        throughput_per_s=answered / seconds,
        good_per_s=good / asked_s,
        good_share=good / requests if requests else 0.0,
        e2e=e2e,
        strict=quantiles(kept.e2e_strict),
        ttft=quantiles(kept.ttft),
        ttft_strict=quantiles(kept.ttft_strict),
        tpot=quantiles(kept.tpot),
        gaps=_gaps(counts),
        lag=lag,
        sampled_share=len(kept.lag) / table.seen if table.seen else 1.0,
        outages=tuple(outage for count in counts for outage in count.outages),
        points=_points(phase, [count.windows for count in counts]),
        void=_void(phase, requests, e2e, lag, lag_share),
    )
    return summary, table


def quantiles(seconds: Sequence[float]) -> Quantiles:
    """Quantiles of durations in seconds, by nearest rank; infinite ones are told as none."""
    ordered = sorted(seconds)
    if not ordered:
        return Quantiles()

    def at(share: float) -> float | None:
        if not _is_told(len(ordered), share):
            return None
        value = ordered[max(0, math.ceil(share * len(ordered)) - 1)]
        return value * 1000 if math.isfinite(value) else None

    largest = ordered[-1]
    return Quantiles(
        count=len(ordered),
        p50_ms=at(0.5),
        p90_ms=at(0.9),
        p95_ms=at(0.95),
        p99_ms=at(0.99),
        p999_ms=at(0.999),
        max_ms=largest * 1000 if math.isfinite(largest) else None,
    )


def _is_told(count: int, share: float) -> bool:
    """Whether there is one beyond a quantile: with none, what stands there is the maximum."""
    return share <= 0.5 or count * (1 - share) >= 1 - _ROUNDING


class _Rows(msgspec.Struct, frozen=True):
    """Columns as quantiles want them, in seconds."""

    lag: "array[float]"
    e2e_ok: "array[float]"
    e2e_strict: "array[float]"
    ttft: "array[float]"
    ttft_strict: "array[float]"
    tpot: "array[float]"


def _rows(table: Table) -> _Rows:
    outcome, e2e = table.column("outcome"), table.column("e2e_s")
    pairs = list(zip(outcome, e2e, strict=True))
    ok = array("d", (value for ending, value in pairs if ending == _OK))
    ended = sum(ending != _INTERRUPTED for ending in outcome)
    ttft = _of_those_that_succeeded(table, "ttft_s")
    endings = zip(outcome, table.column("kind"), strict=True)
    failed = sum(kind == _STREAM and ending not in (_OK, _INTERRUPTED) for ending, kind in endings)
    return _Rows(
        lag=table.column("lag_s"),
        e2e_ok=ok,
        e2e_strict=ok + array("d", [math.inf]) * (ended - len(ok)),
        ttft=ttft,
        ttft_strict=ttft + array("d", [math.inf]) * failed,
        tpot=_of_those_that_succeeded(table, "tpot_s"),
    )


def _of_those_that_succeeded(table: Table, name: str) -> "array[float]":
    pairs = zip(table.column("outcome"), table.column(name), strict=True)
    return array("d", (value for ending, value in pairs if ending == _OK and value != NONE))


def _gaps(counts: Sequence[Count]) -> Quantiles:
    gaps = Histogram().merge(Histogram(count.gaps) for count in counts)
    if not gaps.total:
        return Quantiles()
    longest_s = max(count.gap_s_max for count in counts)

    def at(share: float) -> float | None:
        value = gaps.quantile(share) if _is_told(gaps.total, share) else None
        # The middle of a class may lie beyond all that is in it.
        return None if value is None else min(value, longest_s) * 1000

    return Quantiles(
        count=gaps.total,
        p50_ms=at(0.5),
        p90_ms=at(0.9),
        p95_ms=at(0.95),
        p99_ms=at(0.99),
        p999_ms=at(0.999),
        max_ms=1000 * longest_s,
    )


def _points(phase: Phase, workers: Sequence[Sequence[Window]]) -> tuple[Point, ...]:
    points = []
    width_s = phase.seconds / len(workers[0])
    for number, windows in enumerate(zip(*workers, strict=True)):
        e2e = Histogram().merge(Histogram(window.e2e) for window in windows)
        p50, p95 = e2e.quantile(0.5), e2e.quantile(0.95)
        points.append(
            Point(
                at_s=number * width_s,
                requests=sum(window.requests for window in windows),
                failed=sum(window.failed for window in windows),
                p50_ms=None if p50 is None else p50 * 1000,
                p95_ms=None if p95 is None else p95 * 1000,
            )
        )
    return tuple(points)


def _void(
    phase: Phase, requests: int, e2e: Quantiles, lag: Quantiles, lag_share: float
) -> str | None:
    """Whether the client, and not the target, made the figures."""
    if not requests:
        return "no request was sent"
    if isinstance(phase.arrivals, Closed):
        return None  # without a schedule nothing can be late
    of_lag, lag_ms = _tail(lag)
    of_latency, latency_ms = _tail(e2e)
    if latency_ms is None:
        # Nothing succeeded: a client as late as this has used up its requests' time itself.
        of_latency, latency_ms = "of a request at most", phase.timeout_s * 1000
    if lag_ms is None or lag_ms <= max(_LAG_MS_FREE, lag_share * latency_ms):
        return None
    return (
        f"the client was late: lag {of_lag} {lag_ms:.2f} ms, more than {lag_share:.0%} of the "
        f"latency {of_latency} of {latency_ms:.2f} ms"
    )


def _tail(told: Quantiles) -> tuple[str, float | None]:
    """The p99 with its name, or the maximum where there are too few for one."""
    return ("max", told.max_ms) if told.p99_ms is None else ("p99", told.p99_ms)


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    whole: Counter[str] = Counter()
    for part in parts:
        whole.update(part)
    return dict(whole.most_common())
