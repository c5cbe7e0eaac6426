"""A run as figures by name, one of each: what runs are compared by."""

from collections.abc import Mapping
from typing import Final

import msgspec

from headrace.bench.load.plan import Plan
from headrace.bench.phases.judge import cpu_share
from headrace.bench.records import PhaseRecord, Reading, RunRecord

HIGHER_IS_BETTER: Final = frozenset({"throughput_per_s", "good_per_s", "good_share", "hit_share"})
"""Names of figures that are better where they are higher."""

HEADLINES: Final = ("p50_ms", "p95_ms", "p99_ms")
"""Names of the figures that are compared where nobody chooses."""


def figures(record: RunRecord) -> Mapping[str, float | None]:
    """The figures of a run; those of one that is void or not whole were not to be had.

    Names are those of the phase and of the figure, such as `stress.p95_ms`, and of the figure alone
    where all phases but one are warm-ups. Warm-ups are left out.
    """
    phases = [each for each in record.phases if each.phase.kind != "warm-up"]
    planned = [each for each in record.plan.phases if each.kind != "warm-up"]
    is_usable = record.status == "whole" and record.void is None
    found: dict[str, float | None] = {}
    for phase in phases:
        prefix = "" if len(planned) == 1 else f"{phase.phase.name}."
        for name, value in _of_phase(phase, _during(record, phase)).items():
            found[prefix + name] = value if is_usable else None
    return found


def asked_of(plan: Plan) -> str:
    """The same for plans that ask the same thing, whatever was drawn by chance."""
    return msgspec.structs.replace(plan, seed=0).digest()


def _of_phase(phase: PhaseRecord, readings: tuple[Reading, ...]) -> dict[str, float | None]:
    told = phase.summary
    # Of those that succeeded, whoever refuses the slow ones would be the faster.
    return {
        "p50_ms": told.strict.p50_ms,
        "p90_ms": told.strict.p90_ms,
        "p95_ms": told.strict.p95_ms,
        "p99_ms": told.strict.p99_ms,
        "ttft_p50_ms": told.ttft_strict.p50_ms,
        "ttft_p95_ms": told.ttft_strict.p95_ms,
        "tpot_p50_ms": told.tpot.p50_ms,
        "gap_p99_ms": told.gaps.p99_ms,
        "throughput_per_s": told.throughput_per_s,
        "good_per_s": told.good_per_s,
        "good_share": told.good_share,
        "failed_share": told.failed_share,
        "hit_share": told.hit_share,
        "cpu_share": cpu_share(readings),
        "rss_mb": max((each.rss_mb for each in readings), default=None),
    }


def _during(record: RunRecord, phase: PhaseRecord) -> tuple[Reading, ...]:
    """What the target's processes took in a phase."""
    begun_s = 0.0
    for each in record.phases:
        if each is phase:
            break
        begun_s += each.phase.seconds
    ended_s = begun_s + phase.phase.seconds
    return tuple(each for each in record.readings if begun_s <= each.at_s <= ended_s)
