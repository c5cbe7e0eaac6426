"""What a gateway's metrics say of the time of a profile: its stages, and how late its loop ran.
Pure."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_SAMPLE: Final = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
LAG: Final = "headrace_loop_lag_seconds"
STAGES: Final = "headrace_stage_duration_seconds"

Buckets = dict[float, float]
"""How many observations were at most so many seconds; the last bound is infinite."""


class Times(msgspec.Struct, frozen=True):
    """What a histogram saw.

    Attributes:
        name: of what was timed.
        count: how often.
        mean_s: in seconds.
        p50_s: the median, within its bucket.
        p99_s: and what 99 of 100 were below.
    """

    name: str
    count: int
    mean_s: float
    p50_s: float
    p99_s: float


def times(before: str, after: str, family: str, label: str = "") -> list[Times]:
    """What a histogram saw between two readings of `/metrics`, those of most time first.

    Args:
        before: the first reading, in Prometheus' text format.
        after: the second one.
        family: the histogram.
        label: that tells its series apart; without one all are one.
    """
    first, second = _read(before, family, label), _read(after, family, label)
    found = []
    for name, (buckets, total_s) in second.items():
        old, old_s = first.get(name, ({}, 0.0))
        seen = {bound: count - old.get(bound, 0.0) for bound, count in sorted(buckets.items())}
        count = round(max(seen.values(), default=0.0))
        if count > 0:
            mean_s = (total_s - old_s) / count
            found.append(Times(name, count, mean_s, quantile(seen, 0.5), quantile(seen, 0.99)))
    return sorted(found, key=lambda each: -each.mean_s * each.count)


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """A quantile, as Prometheus' `histogram_quantile` has it: evenly spread within its bucket.

    Args:
        buckets: how many were at most so much; in order, the last without a bound.
        share: 0 to 1.
    """
    wanted = share * max(buckets.values(), default=0.0)
    low, below = 0.0, 0.0
    for bound, count in buckets.items():
        if count >= wanted and count > below:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (count - below)
        low, below = (bound, count) if bound != float("inf") else (low, below)
    return low


def _read(page: str, family: str, label: str) -> dict[str, tuple[Buckets, float]]:
    found: dict[str, tuple[Buckets, float]] = {}
    for line in page.splitlines():
        if not line.startswith(family):
            continue
        sample = _SAMPLE.match(line)
        if sample is None:
            continue
        labels = dict(_LABEL.findall(sample[2] or ""))
        name = labels.get(label, "")
        buckets, total_s = found.get(name, ({}, 0.0))
        if sample[1] == f"{family}_bucket":
            bound = float(labels["le"])
            buckets[bound] = buckets.get(bound, 0.0) + float(sample[3])
        elif sample[1] == f"{family}_sum":
            total_s += float(sample[3])
        found[name] = buckets, total_s
    return found
