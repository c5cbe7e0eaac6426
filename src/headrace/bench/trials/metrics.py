"""The figures of a trial: one for each metric, of all phases but those that warm up."""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, Literal

import msgspec

from headrace.bench.load.plan import Closed, Plan
from headrace.bench.load.summary import Summary
from headrace.bench.phases.figures import HIGHER_IS_BETTER
from headrace.bench.records import PhaseRecord, Reading, RunRecord

NAMES: Final = (
    "throughput_per_s",
    "good_per_s",
    "good_share",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "ttft_p50_ms",
    "ttft_p95_ms",
    "failed_share",
    "hit_share",
    "cpu_us_per_request",
    "cpu_us_per_answer",
    "rss_mb_max",
    "rss_mb_start",
    "start_cpu_ms",
    "cost_usd_per_1000_good",
)
"""What every trial tells; docs/benchmarking.md says what each means."""

_WHOLE: Final = frozenset({"rss_mb_start", "start_cpu_ms", "cost_usd_per_1000_good"})
"""Of a trial as a whole, and of no phase by itself."""

Metrics = dict[str, float | None]
_Weighed = tuple[float, float]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A phase and what its target took for it.

    Attributes:
        phase: its record.
        cpu_s: CPU time of the target's processes meanwhile; `None` where they were not watched.
        rss_mb: most memory they had meanwhile.
    """

    phase: PhaseRecord
    cpu_s: float | None
    rss_mb: float | None


def names_of(plan: Plan) -> tuple[str, ...]:
    """What a trial of a plan tells: of all its phases together, and of each, if several measure."""
    return (
        *NAMES,
        *(f"{phase}.{name}" for phase in _measuring(plan) for name in NAMES if name not in _WHOLE),
    )


def why_unknown(plan: Plan) -> str:
    """What to say of a metric that a trial of a plan never tells."""
    phases = _measuring(plan)
    if not phases:
        return f"no such metric; there are {', '.join(NAMES)} (one phase measures: no PHASE.METRIC)"
    listed = ", ".join(name for name in NAMES if name not in _WHOLE)
    return (
        f"no such metric; there are {', '.join(NAMES)}, and PHASE.METRIC of {', '.join(phases)} "
        f"with {listed}"
    )


def _measuring(plan: Plan) -> tuple[str, ...]:
    """The phases that are told of by themselves."""
    phases = tuple(phase.name for phase in plan.phases if phase.kind != "warm-up")
    return phases if len(phases) > 1 else ()


def is_higher_better(metric: str) -> bool:
    """Whether more of a metric is better, also of one of a single phase."""
    return metric.rpartition(".")[2] in HIGHER_IS_BETTER


def scale_of(metric: str) -> Literal["ratio", "difference"]:
    """How two arms are compared: by a ratio, unless it is a share, which may well be 0."""
    return "difference" if metric.endswith("_share") else "ratio"


def metrics_of(
    record: RunRecord,
    spent_usd: float | None = None,
    at_start: tuple[float, float] | None = None,
) -> Metrics:
    """What a run comes to.

    Args:
        record: of the run. Where several of its phases measure, each metric is told of all of them
            together, and of each by itself as `PHASE.METRIC`.
        spent_usd: what its target spent from before the first phase to after the last, where it
            tells.
        at_start: megabytes and CPU seconds that a fresh target had taken when it was ready.
    """
    parts = [part for part in parts_of(record) if part.phase.phase.kind != "warm-up"]
    metrics = _figures(parts)
    good = sum(_good(phase.summary) for phase in record.phases)
    metrics["rss_mb_start"] = None if at_start is None else at_start[0]
    metrics["start_cpu_ms"] = None if at_start is None else at_start[1] * 1000
    metrics["cost_usd_per_1000_good"] = _ratio(spent_usd, good / 1000)
    if len(parts) > 1:
        for part in parts:
            name = part.phase.phase.name
            metrics |= {f"{name}.{metric}": value for metric, value in _figures([part]).items()}
    return metrics


def parts_of(record: RunRecord) -> list[Part]:
    """Every phase that began, with what was taken from its start to the start of the next one."""
    readings = record.readings
    starts = accumulate((each.phase.seconds for each in record.phases), initial=0.0)
    marks = [_nearest(readings, start_s) for start_s in starts]
    # What the last phase sent is awaited after its end.
    marks[-1] = readings[-1] if readings else None
    return [
        Part(phase=phase, cpu_s=_cpu_s(begin, end), rss_mb=_rss_mb(readings, begin, end))
        for phase, begin, end in zip(record.phases, marks, marks[1:], strict=False)
    ]


def quantile(values: Iterable[_Weighed], share: float) -> float | None:
    """A quantile by nearest rank of values that each stand for some.

    Args:
        values: each with how many it stands for.
        share: 0 to 1.

    Returns:
        `None` where it is infinite, or where there is not one value beyond it.
    """
    ordered = sorted(values)
    total = math.fsum(weight for _, weight in ordered)
    if not ordered or (share > 0.5 and total * (1 - share) < 1 - 1e-9):
        return None
    below = 0.0
    for value, weight in ordered:
        below += weight
        if below >= share * total - 1e-9:
            return value if math.isfinite(value) else None
    return ordered[-1][0] if math.isfinite(ordered[-1][0]) else None


def _figures(parts: Sequence[Part]) -> Metrics:
    summaries = [part.phase.summary for part in parts]
    requests = sum(summary.requests for summary in summaries)
    answered = sum(summary.requests - summary.failed for summary in summaries)
    good = sum(map(_good, summaries))
    seconds = sum(_seconds(part.phase) for part in parts)
    asked_s = sum(_asked_s(part.phase) for part in parts)
    told = sum(sum(summary.caches.values()) for summary in summaries)
    hits = sum((s.hit_share or 0.0) * sum(s.caches.values()) for s in summaries)
    cpus, sizes = [part.cpu_s for part in parts], [part.rss_mb for part in parts]
    cpu_us = None if None in cpus else math.fsum(cpu * 1e6 for cpu in cpus if cpu is not None)
    e2e = [row for part in parts for row in _e2e(part.phase)]
    ttft = [row for part in parts for row in _ttft(part.phase)]
    return {
        "throughput_per_s": _ratio(answered, seconds),
        "good_per_s": _ratio(good, asked_s),
        "good_share": _ratio(good, requests),
        "p50_ms": quantile(e2e, 0.5),
        "p95_ms": quantile(e2e, 0.95),
        "p99_ms": quantile(e2e, 0.99),
        "ttft_p50_ms": quantile(ttft, 0.5),
        "ttft_p95_ms": quantile(ttft, 0.95),
        "failed_share": _ratio(requests - answered, requests),
        "hit_share": _ratio(hits, told),
        "cpu_us_per_request": _ratio(cpu_us, requests),
        "cpu_us_per_answer": _ratio(cpu_us, answered),
        "rss_mb_max": max((size for size in sizes if size is not None), default=None),
    }


def _good(summary: Summary) -> float:
    return summary.good_share * summary.requests


def _seconds(phase: PhaseRecord) -> float:
    """How long a phase took, to the end of its last answer."""
    answered = phase.summary.requests - phase.summary.failed
    if not phase.summary.throughput_per_s:
        return phase.phase.seconds
    return answered / phase.summary.throughput_per_s


def _asked_s(phase: PhaseRecord) -> float:
    """How long a phase asked: a schedule has its own time, whatever became of it."""
    return _seconds(phase) if isinstance(phase.phase.arrivals, Closed) else phase.phase.seconds


def _e2e(phase: PhaseRecord) -> list[_Weighed]:
    """Latencies of all requests; one that failed took forever."""
    rows = phase.requests
    if rows is None or not rows.outcome:
        return []
    weight = rows.seen / len(rows.outcome)
    return [
        (e2e_ms if outcome == "ok" else math.inf, weight)
        for outcome, e2e_ms in zip(rows.outcome, rows.e2e_ms, strict=True)
        if outcome != "interrupted"
    ]


def _ttft(phase: PhaseRecord) -> list[_Weighed]:
    """Times to the first token, of all streams; one that failed took forever."""
    rows = phase.requests
    if rows is None or not rows.outcome:
        return []
    weight = rows.seen / len(rows.outcome)
    succeeded = [
        (ttft_ms, weight)
        for outcome, ttft_ms in zip(rows.outcome, rows.ttft_ms, strict=True)
        if outcome == "ok" and ttft_ms is not None
    ]
    failed = sum(
        kind == "stream" and outcome not in {"ok", "interrupted"}
        for outcome, kind in zip(rows.outcome, rows.kind, strict=True)
    )
    return succeeded + [(math.inf, weight)] * failed


def _nearest(readings: Sequence[Reading], at_s: float) -> Reading | None:
    return min(readings, key=lambda reading: abs(reading.at_s - at_s), default=None)


def _cpu_s(begin: Reading | None, end: Reading | None) -> float | None:
    if begin is None or end is None or end.at_s <= begin.at_s:
        return None
    return end.cpu_s - begin.cpu_s


def _rss_mb(
    readings: Sequence[Reading], begin: Reading | None, end: Reading | None
) -> float | None:
    if begin is None or end is None:
        return None
    return max((r.rss_mb for r in readings if begin.at_s <= r.at_s <= end.at_s), default=None)


def _ratio(part: float | None, whole: float) -> float | None:
    return None if part is None or not whole else part / whole
