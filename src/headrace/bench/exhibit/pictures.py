"""What is drawn beside the verdicts, out of the records of trials. Pure."""

from collections.abc import Sequence
from itertools import accumulate
from statistics import median
from typing import Final

import numpy as np

from headrace.bench.exhibit.judge import Seen
from headrace.bench.exhibit.measures import MARGIN, latencies_ms
from headrace.bench.exhibit.plans import DAY, WARM
from headrace.bench.exhibit.results import Curve, LoadPoint, Pictures, Range, Shift, Span
from headrace.bench.records import PhaseRecord, RunRecord
from headrace.bench.statistics.quantiles import shift_function
from headrace.bench.statistics.question import Question

SHARES: Final = (
    *(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(0.95, 0.98, 0.99, 0.995, 0.998, 0.999),
)
_BEYOND_LEAST: Final = 5
_BINS: Final = 60
_IN_BIN_LEAST: Final = 3
_P95_LEAST: Final = 100
_BLOCKS_LEAST: Final = 2


def pictures(seen: Sequence[Seen], arms: Sequence[str], rng: np.random.Generator) -> Pictures:
    """Everything that is drawn of some arms of one series.

    Args:
        seen: its trials; those that failed are left out here, and told elsewhere.
        arms: which; the first two are compared.
        rng: chance for the bootstrap.
    """
    records = {arm: [s.record for s in seen if s.arm == arm and s.record] for arm in arms}
    first = next((record for arm in arms for record in records[arm]), None)
    if first is None:
        return Pictures()
    return Pictures(
        percentiles=tuple(_percentiles(arm, records[arm]) for arm in arms),
        loads=tuple(point for arm in arms for point in _loads(arm, records[arm])),
        spans=_spans(first),
        timeline=tuple(_timeline(arm, records[arm]) for arm in arms),
        shifts=_shifts(seen, arms[:2], rng),
    )


def _phases(records: Sequence[RunRecord], name: str) -> list[PhaseRecord]:
    return [phase for record in records for phase in record.phases if phase.phase.name == name]


def _percentiles(arm: str, records: Sequence[RunRecord]) -> Curve:
    found = sorted(ms for phase in _phases(records, DAY) for ms in latencies_ms(phase))
    shares = [share for share in SHARES if len(found) * (1 - share) >= _BEYOND_LEAST]
    return Curve(arm, tuple((s, found[int(s * len(found))]) for s in shares))


def _loads(arm: str, records: Sequence[RunRecord]) -> list[LoadPoint]:
    names = dict.fromkeys(p.phase.name for r in records for p in r.phases if p.phase.name != WARM)
    points = []
    for name in names:
        phases = _phases(records, name)
        tails = [p95 for phase in phases if (p95 := phase.summary.e2e.p95_ms) is not None]
        points.append(
            LoadPoint(
                arm=arm,
                offered_per_s=phases[0].phase.rate_per_s,
                p95_ms=_range(tails) if tails else None,
                good_per_s=_range([phase.summary.good_per_s for phase in phases]),
            )
        )
    # An ordinary day comes twice: the second is not what it offers, but what came before.
    by_load = {point.offered_per_s: point for point in reversed(points)}
    return [by_load[load] for load in sorted(by_load)]


def _range(values: Sequence[float]) -> Range:
    return Range(median(values), min(values), max(values))


def _spans(record: RunRecord) -> tuple[Span, ...]:
    plan = record.plan
    ends = list(accumulate(phase.seconds for phase in plan.phases))
    begins = [0.0, *ends]
    return tuple(
        Span(phase.name, begin, end)
        for phase, begin, end in zip(plan.phases, begins, ends, strict=False)
    )


def _timeline(arm: str, records: Sequence[RunRecord]) -> Curve:
    """The median latency by when requests were intended, all trials together."""
    if not records:
        return Curve(arm, ())
    width_s = records[0].plan.seconds / _BINS
    bins: list[list[float]] = [[] for _ in range(_BINS)]
    for record in records:
        begun_s = 0.0
        for phase in record.phases:
            requests = phase.requests
            if requests is not None:
                for at_s, ms, outcome in zip(
                    requests.at_s, requests.e2e_ms, requests.outcome, strict=True
                ):
                    if outcome == "ok":
                        bins[min(int((begun_s + at_s) / width_s), _BINS - 1)].append(ms)
            begun_s += phase.phase.seconds
    return Curve(
        arm,
        tuple(
            ((number + 0.5) * width_s, median(each))
            for number, each in enumerate(bins)
            if len(each) >= _IN_BIN_LEAST
        ),
    )


def _shifts(
    seen: Sequence[Seen], arms: Sequence[str], rng: np.random.Generator
) -> tuple[Shift, ...]:
    """The shift function of the day, where every trial has enough requests for it.

    Trials are pairs by their block: those of blocks in which both arms went well.
    """
    by_block = [_days(seen, arm) for arm in arms]
    blocks = sorted(by_block[0].keys() & by_block[1].keys())
    days = [[of_arm[block] for block in blocks] for of_arm in by_block]
    fewest = min((len(day) for arm in days for day in arm), default=0)
    if not fewest or len(blocks) < _BLOCKS_LEAST:
        return ()
    shares = [n / 10 for n in range(1, 10)] + ([0.95] if fewest >= _P95_LEAST else [])
    question = Question(metric="latency", margin=MARGIN)
    found = shift_function(days[0], days[1], question, rng, shares)
    return tuple(
        Shift(each.share, each.comparison.estimate.effect, each.comparison.estimate.interval)
        for each in found
        if each.comparison.estimate is not None
    )


def _days(seen: Sequence[Seen], arm: str) -> dict[int, list[float]]:
    """Latencies of the day by block, of an arm's trials that went well."""
    return {
        each.block: latencies_ms(phase)
        for each in seen
        if each.arm == arm and each.record is not None
        for phase in _phases([each.record], DAY)
    }
