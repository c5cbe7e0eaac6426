"""Whether a phase kept what it has to keep, and what else is to be said of it."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

from headrace.bench.load.call import OUTCOMES
from headrace.bench.load.plan import WINDOWS, Phase, recovery_seconds_least
from headrace.bench.load.samples import Table
from headrace.bench.load.summary import Summary
from headrace.bench.phases.trends import Stretch, drift, is_steady, recovery_s
from headrace.bench.records import PhaseRecord, Reading, Verdict
from headrace.bench.statistics.slopes import slope, slope_interval

_OK: Final = OUTCOMES.index("ok")
_INTERRUPTED: Final = OUTCOMES.index("interrupted")
# A tail needs so many requests beyond it for its place to mean something.
_BEYOND_LEAST: Final = 5
_SLOPE_READINGS_LEAST: Final = 10
_STRETCHES_MAX: Final = 60
# Late: beyond this many times the baseline's p95, which one in twenty is beyond anyway.
_LATE_FACTOR: Final = 1.5
_USUALLY_LATE: Final = 0.05
# Of a median: above, and above this many milliseconds, it tells of the client too.
_LAG_SHARE_MAX: Final = 0.1
_LAG_MS_FREE: Final = 0.1


def judge(
    phase: Phase,
    summary: Summary,
    table: Table,
    before: Sequence[PhaseRecord],
    readings: Sequence[Reading],
) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """Judge a phase.

    Args:
        phase: what it should be.
        summary: what it was.
        table: its requests, or a fair draw of them.
        before: phases before it, in order.
        readings: of the target's processes, during it.

    Returns:
        Verdicts on each SLO that is set, and notes.
    """
    verdicts = [
        *_latencies(phase, summary),
        *_shares(phase, summary),
        *_recovery(phase, table, before),
        *_resources(phase, readings),
    ]
    return tuple(verdicts), tuple(_notes(phase, summary))


def _latencies(phase: Phase, summary: Summary) -> list[Verdict]:
    slo, strict, first = phase.slo, summary.strict, summary.ttft_strict
    wanted = (
        ("p50_ms", slo.p50_ms, strict.p50_ms, 0.5, strict.count),
        ("p95_ms", slo.p95_ms, strict.p95_ms, 0.95, strict.count),
        ("p99_ms", slo.p99_ms, strict.p99_ms, 0.99, strict.count),
        ("ttft_p95_ms", slo.ttft_p95_ms, first.p95_ms, 0.95, first.count),
    )
    verdicts = []
    for name, limit, measured, share, count in wanted:
        if limit is None:
            continue
        least = round(_BEYOND_LEAST / (1 - share))
        if count < least:
            note = f"{count} requests are too few, {least} are needed"
            verdicts.append(_unknown(name, limit, measured, note))
        elif measured is None:
            note = "so many failed that it has no end"
            verdicts.append(
                Verdict(name=name, limit=limit, measured=None, is_kept=False, note=note)
            )
        else:
            verdicts.append(_at_most(name, limit, measured))
    return verdicts


def _shares(phase: Phase, summary: Summary) -> list[Verdict]:
    slo = phase.slo
    verdicts = []
    if slo.error_share is not None:
        if summary.requests:
            verdicts.append(_at_most("error_share", slo.error_share, summary.failed_share))
        else:
            verdicts.append(_unknown("error_share", slo.error_share, None, "nothing was sent"))
    if slo.throughput_per_s is not None:
        verdicts.append(
            _at_least("throughput_per_s", slo.throughput_per_s, summary.throughput_per_s)
        )
    if slo.good_share is not None:
        verdicts.append(_at_least("good_share", slo.good_share, summary.good_share))
    if slo.hit_share is not None:
        if summary.hit_share is None:
            note = "the target does not say where answers are from"
            verdicts.append(_unknown("hit_share", slo.hit_share, None, note))
        else:
            verdicts.append(_at_least("hit_share", slo.hit_share, summary.hit_share))
    return verdicts


def _recovery(phase: Phase, table: Table, before: Sequence[PhaseRecord]) -> list[Verdict]:
    limit = phase.slo.recovery_s
    if limit is None:
        return []
    calm = [r.summary for r in before if r.phase.kind == "baseline"]
    usual_ms = calm[-1].e2e.p95_ms if calm else None
    if usual_ms is None:
        return [_unknown("recovery_s", limit, None, "no baseline before it to compare with")]
    stretches = _stretches(phase, table, usual_ms * _LATE_FACTOR / 1000)
    found_s = recovery_s(stretches, _USUALLY_LATE + calm[-1].failed_share)
    if found_s is None and phase.seconds < recovery_seconds_least(limit):
        note = f"not well within {phase.seconds:g} s, and then the phase was over"
        return [_unknown("recovery_s", limit, None, note)]
    if found_s is None:
        note = (
            f"to its end more failed or took over {_LATE_FACTOR:g} times the baseline's p95 than "
            "before"
        )
        return [Verdict(name="recovery_s", limit=limit, measured=None, is_kept=False, note=note)]
    return [_at_most("recovery_s", limit, found_s)]


def _stretches(phase: Phase, table: Table, late_s: float) -> list[Stretch]:
    width_s = phase.seconds / WINDOWS
    requests, late = [0] * WINDOWS, [0] * WINDOWS
    columns = (table.column(name) for name in ("at_s", "e2e_s", "outcome"))
    for at_s, e2e_s, outcome in zip(*columns, strict=True):
        if outcome != _INTERRUPTED:
            place = min(max(0, int(at_s / width_s)), WINDOWS - 1)
            requests[place] += 1
            late[place] += outcome != _OK or e2e_s > late_s
    return [Stretch(n * width_s, requests[n], late[n]) for n in range(WINDOWS)]


def _resources(phase: Phase, readings: Sequence[Reading]) -> list[Verdict]:
    slo = phase.slo
    verdicts = []
    if slo.rss_mb is not None:
        most = max((reading.rss_mb for reading in readings), default=None)
        verdicts.append(_watched("rss_mb", slo.rss_mb, most))
    if slo.rss_mb_per_min is not None:
        verdicts.append(_growth(slo.rss_mb_per_min, readings))
    if slo.cpu_share is not None:
        verdicts.append(_watched("cpu_share", slo.cpu_share, cpu_share(readings)))
    return verdicts


def _growth(limit: float, readings: Sequence[Reading]) -> Verdict:
    """Of memory: kept or broken where the whole interval of its slope is."""
    # The first fifth is filling up: caches, pools, the allocator.
    later = readings[len(readings) // 5 :]
    # Medians of stretches follow their neighbours less than readings do.
    width = math.ceil(len(later) / _STRETCHES_MAX) or 1
    stretches = [later[at : at + width] for at in range(0, len(later), width)]
    minutes = [median(r.at_s / 60 for r in each) for each in stretches]
    memory = [median(r.rss_mb for r in each) for each in stretches]
    rise = slope(minutes, memory)
    if rise is None:
        return _watched("rss_mb_per_min", limit, None)
    if len(later) < _SLOPE_READINGS_LEAST:
        note = f"{len(later)} readings are too few"
        return _unknown("rss_mb_per_min", limit, rise.value, note)
    lies = slope_interval(rise, memory)
    if lies.low <= limit < lies.high:
        note = f"between {lies.low:.3g} and {lies.high:.3g}: a longer phase would tell"
        return _unknown("rss_mb_per_min", limit, rise.value, note)
    return _at_most("rss_mb_per_min", limit, rise.value)


def cpu_share(readings: Sequence[Reading]) -> float | None:
    """CPU time per time, in cores, from the first reading to the last."""
    if len(readings) < 2:
        return None
    first, last = readings[0], readings[-1]
    seconds = last.at_s - first.at_s
    return (last.cpu_s - first.cpu_s) / seconds if seconds > 0 else None


def _notes(phase: Phase, summary: Summary) -> list[str]:
    notes = [
        f"the target was down from {outage.from_s:.1f} to {outage.to_s:.1f} s "
        "after the start of this phase"
        for outage in summary.outages
    ]
    if summary.interrupted:
        notes.append(f"{summary.interrupted} requests were cut off by the end of the run")
    lag_ms, median_ms = summary.lag.p50_ms or 0.0, summary.e2e.p50_ms or 0.0
    if median_ms and lag_ms > max(_LAG_MS_FREE, _LAG_SHARE_MAX * median_ms):
        notes.append(
            f"the client's own lag is {lag_ms:.2f} ms of the p50 of {median_ms:.2f} ms: "
            "look at the tail, or make it exact by --spin"
        )
    if summary.sampled_share < 1:
        notes.append(f"quantiles are of a fair draw of {summary.sampled_share:.1%} of the requests")
    if phase.kind == "warm-up":
        steady = is_steady(summary.points)
        if steady is None:
            notes.append("too few requests to say whether it became steady")
        elif steady:
            notes.append("became steady")
        else:
            moved = drift(summary.points) or 0.0
            notes.append(f"not steady: medians moved by {moved:+.0%} over its later half")
    return notes


def _at_most(name: str, limit: float, measured: float) -> Verdict:
    return Verdict(name=name, limit=limit, measured=measured, is_kept=measured <= limit)


def _at_least(name: str, limit: float, measured: float) -> Verdict:
    return Verdict(name=name, limit=limit, measured=measured, is_kept=measured >= limit)


def _watched(name: str, limit: float, measured: float | None) -> Verdict:
    if measured is None:
        return _unknown(name, limit, None, "the target's process is not known: --pid")
    return _at_most(name, limit, measured)


def _unknown(name: str, limit: float, measured: float | None, note: str) -> Verdict:
    return Verdict(name=name, limit=limit, measured=measured, is_kept=None, note=note)
