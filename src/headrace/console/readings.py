"""What the metrics come to for someone who watches: rates, percentiles, shares. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec

from headrace.observe.cells import PROVIDERS_MAX
from headrace.observe.families import BY, CACHE, STATUS, STATUS_CLASS, UPSTREAM_ERROR
from headrace.observe.layout import Layout, Place

# Requests for models; the console's own would hide how these do.
ROUTES: Final = ("chat", "embeddings", "messages", "responses")
_GONE: Final = "499"
_HITS: Final = frozenset(BY.values)
_QUANTILES: Final[Mapping[str, float]] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_MS: Final = 1000.0

Rows = Sequence[Sequence[float]]


class Snapshot(msgspec.Struct, frozen=True):
    """How all workers' counters stood at one time; all but the last five only grow.

    Attributes:
        at_s: when, seconds since the epoch.
        requests: by where their answers came from.
        refused: answered with a status of 4xx, without those whose client went.
        failed: answered with a status of 5xx.
        latency: requests by bucket of their time to the last byte, not cumulative.
        first_byte: the same, to the first.
        saved_calls: calls that were not made, by what spared them; so `saved_usd`.
        providers: by name: see `_Lanes`.
    """

    at_s: float
    requests: dict[str, float]
    refused: float
    failed: float
    latency: list[float]
    first_byte: list[float]
    saved_calls: dict[str, float]
    saved_usd: dict[str, float]
    saved_s: float
    spent_usd: float
    cpu_s: float
    providers: dict[str, dict[str, Any]]
    memory_bytes: float
    inflight: float
    connections: float
    workers: float
    jobs: dict[str, float]


class Dials:
    """Reads the cells that matter, of all workers.

    Args:
        layout: of their rows.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        requests = layout.place("headrace_requests_total")
        self._by_cache = {
            cache: [
                requests.at(route, status, cache) for route in ROUTES for status in STATUS.values
            ]
            for cache in CACHE.values
        }
        self._refused = self._with_status(requests, "4")
        self._failed = self._with_status(requests, "5")
        self._latency = layout.place("headrace_request_duration_seconds")
        self._first_byte = layout.place("headrace_time_to_first_byte_seconds")
        self._lanes = _Lanes(layout)

    @property
    def bounds_s(self) -> tuple[float, ...]:
        """Upper bounds of the buckets of both histograms."""
        return self._latency.family.buckets

    def read(self, at_s: float, rows: Rows, providers: Sequence[str]) -> Snapshot:
        """How things stand.

        Args:
            at_s: the time, seconds since the epoch.
            rows: of each worker.
            providers: their names by slot.
        """
        return Snapshot(
            at_s=at_s,
            requests={cache: _sum(rows, cells) for cache, cells in self._by_cache.items()},
            refused=_sum(rows, self._refused),
            failed=_sum(rows, self._failed),
            latency=self._buckets(rows, self._latency),
            first_byte=self._buckets(rows, self._first_byte),
            saved_calls=self._by(rows, "headrace_saved_calls_total"),
            saved_usd=self._by(rows, "headrace_saved_usd_total"),
            saved_s=sum(self._by(rows, "headrace_saved_seconds_total").values()),
            spent_usd=self._all(rows, "headrace_spent_usd_total"),
            cpu_s=self._all(rows, "process_cpu_seconds_total"),
            providers=self._lanes.read(rows, providers),
            memory_bytes=self._all(rows, "process_resident_memory_bytes"),
            inflight=self._all(rows, "headrace_inflight_requests"),
            connections=self._all(rows, "headrace_connections"),
            workers=self._all(rows, "headrace_workers"),
            jobs={
                "waiting": self._all(rows, "headrace_jobs_waiting"),
                "running": self._all(rows, "headrace_jobs_running"),
                "oldest_s": round(self._all(rows, "headrace_jobs_oldest_seconds"), 1),
            },
        )

    def _with_status(self, requests: Place, first: str) -> list[int]:
        wanted = [each for each in STATUS.values if each.startswith(first) and each != _GONE]
        return [
            requests.at(route, status, cache)
            for route in ROUTES
            for status in wanted
            for cache in CACHE.values
        ]

    def _buckets(self, rows: Rows, place: Place) -> list[float]:
        bases = [place.at(route, cache) for route in ROUTES for cache in CACHE.values]
        return _buckets(rows, place, bases)

    def _by(self, rows: Rows, name: str) -> dict[str, float]:
        place = self._layout.place(name)
        return {by: _sum(rows, (place.at(by),)) for by in BY.values}

    def _all(self, rows: Rows, name: str) -> float:
        place = self._layout.place(name)
        return _sum(rows, range(place.base, place.end))


class _Lanes:
    """Reads what is counted by provider."""

    def __init__(self, layout: Layout) -> None:
        self._place = layout.place

    def read(self, rows: Rows, providers: Sequence[str]) -> dict[str, dict[str, Any]]:
        named = enumerate(providers[:PROVIDERS_MAX])
        return {name: self._lane(rows, str(slot)) for slot, name in named}

    def _lane(self, rows: Rows, slot: str) -> dict[str, Any]:
        def count(name: str, *labels: str) -> float:
            return _sum(rows, (self._place(name).at(slot, *labels),))

        durations = self._place("headrace_upstream_duration_seconds")
        return {
            "answers": {
                each: count("headrace_upstream_requests_total", each)
                for each in STATUS_CLASS.values
            },
            "errors": sum(
                count("headrace_upstream_errors_total", each) for each in UPSTREAM_ERROR.values
            ),
            "retries": count("headrace_upstream_retries_total"),
            "spent_usd": count("headrace_spent_usd_total"),
            "connections": {
                each: count("headrace_upstream_connections", each) for each in ("idle", "active")
            },
            "waiting": count("headrace_waiting_calls"),
            "limited": count("headrace_limited_models"),
            "circuits_open": count("headrace_circuits_open"),
            "out": count("headrace_providers_out"),
            "duration": _buckets(rows, durations, [durations.at(slot)]),
        }


def reading(
    before: Snapshot, earlier: Snapshot, after: Snapshot, bounds_s: Sequence[float]
) -> dict[str, Any]:
    """One point of the curves.

    Args:
        before: the snapshot before, for rates.
        earlier: one before that: percentiles and shares want more requests to go by.
        after: the last.
        bounds_s: of the buckets.
    """
    took_s = max(after.at_s - before.at_s, 1e-3)
    return {
        "at": round(after.at_s, 3),
        "requests_per_s": _rate(
            sum(before.requests.values()), sum(after.requests.values()), took_s
        ),
        "failed_per_s": _rate(before.failed, after.failed, took_s),
        "refused_per_s": _rate(before.refused, after.refused, took_s),
        "saved_usd_per_s": _rate(
            sum(before.saved_usd.values()), sum(after.saved_usd.values()), took_s
        ),
        "hit_share": hit_share(earlier, after),
        "latency_ms": quantiles_ms(_less(after.latency, earlier.latency), bounds_s),
        "first_byte_ms": quantiles_ms(_less(after.first_byte, earlier.first_byte), bounds_s),
        "cpu_share": round((after.cpu_s - before.cpu_s) / took_s, 4),
        "memory_mb": round(after.memory_bytes / 1e6, 1),
        "inflight": after.inflight,
    }


def totals(first: Snapshot, last: Snapshot, bounds_s: Sequence[float]) -> dict[str, Any]:
    """How things stand now.

    Args:
        first: the oldest snapshot there is, for percentiles of late.
        last: the newest; what it counts began with the gateway.
        bounds_s: of the buckets.
    """
    return {
        "of_s": round(last.at_s - first.at_s, 1),
        "requests": sum(last.requests.values()),
        "by_cache": {cache: count for cache, count in last.requests.items() if count},
        "hit_share": _hits(last.requests),
        "refused": last.refused,
        "failed": last.failed,
        "saved_calls": last.saved_calls,
        "saved_usd": last.saved_usd,
        "saved_s": last.saved_s,
        "spent_usd": last.spent_usd,
        "inflight": last.inflight,
        "connections": last.connections,
        "workers": last.workers,
        "jobs": last.jobs,
        "memory_mb": round(last.memory_bytes / 1e6, 1),
        "latency_ms": quantiles_ms(_less(last.latency, first.latency), bounds_s),
        "first_byte_ms": quantiles_ms(_less(last.first_byte, first.first_byte), bounds_s),
        "providers": [
            _provider_told(name, first.providers.get(name), lane, bounds_s)
            for name, lane in last.providers.items()
        ],
    }


def hit_share(before: Snapshot, after: Snapshot) -> float | None:
    """The share of requests in between that no provider was asked for; None where none came."""
    return _hits({name: after.requests[name] - before.requests[name] for name in after.requests})


def quantiles_ms(buckets: Sequence[float], bounds_s: Sequence[float]) -> dict[str, float] | None:
    """Percentiles in milliseconds, evenly spread within a bucket; None of nothing.

    What is above the last bound is told as that bound.

    Args:
        buckets: counts, one more than there are bounds.
        bounds_s: ascending upper bounds, in seconds.
    """
    sums = list(accumulate(buckets))
    if not sums or sums[-1] <= 0:
        return None
    return {
        name: round(_quantile_s(share * sums[-1], sums, bounds_s) * _MS, 3)
        for name, share in _QUANTILES.items()
    }


def _quantile_s(rank: float, sums: Sequence[float], bounds_s: Sequence[float]) -> float:
    at = bisect_left(sums, rank)
    if at >= len(bounds_s):
        return bounds_s[-1]
    low_s, below = (bounds_s[at - 1], sums[at - 1]) if at else (0.0, 0.0)
    held = sums[at] - below
    return low_s + (bounds_s[at] - low_s) * ((rank - below) / held if held else 1.0)


def _provider_told(
    name: str, first: dict[str, Any] | None, last: dict[str, Any], bounds_s: Sequence[float]
) -> dict[str, Any]:
    before = first["duration"] if first else [0.0] * len(last["duration"])
    return {
        **{key: value for key, value in last.items() if key != "duration"},
        "name": name,
        "duration_ms": quantiles_ms(_less(last["duration"], before), bounds_s),
    }


def _hits(requests: dict[str, float]) -> float | None:
    # What was refused before it came to the cache is neither.
    asked = sum(count for cache, count in requests.items() if cache != "none")
    if asked <= 0:
        return None
    return round(sum(requests[cache] for cache in _HITS) / asked, 4)


def _rate(before: float, after: float, took_s: float) -> float:
    return round(max(0.0, after - before) / took_s, 6)


def _less(after: Sequence[float], before: Sequence[float]) -> list[float]:
    return [max(0.0, late - early) for late, early in zip(after, before, strict=True)]


def _sum(rows: Rows, cells: Iterable[int]) -> float:
    return sum(row[cell] for cell in cells for row in rows)


def _buckets(rows: Rows, place: Place, bases: Iterable[int]) -> list[float]:
    width = len(place.family.buckets) + 1
    slices = [row[base : base + width] for base in bases for row in rows]
    return [sum(column) for column in zip(*slices, strict=True)]
