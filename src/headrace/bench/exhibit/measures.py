"""What is measured of a trial: one figure for each measure, out of the record of its run."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, pvariance
from typing import Final, Literal

import msgspec

from headrace.bench.exhibit.plans import BUSY, DAY, OVERLOAD, RECOVERY, WARM
from headrace.bench.exhibit.results import Measure
from headrace.bench.load.summary import quantiles
from headrace.bench.phases.trends import settled_s
from headrace.bench.records import PhaseRecord, RunRecord
from headrace.bench.statistics.question import Question

MARGIN: Final = 0.05
"""The smallest change that matters here, of ratios."""

_SHARE_MARGIN: Final = 0.01
_RECOVERY_MARGIN_S: Final = 0.25
# A tail needs so many requests beyond it for its place to mean something.
_BEYOND_LEAST: Final = 5
# Well again: within so many times what nine of ten took before.
_WELL_FACTOR: Final = 1.5
_LATE_SHARE: Final = 0.1
_VARIED_LEAST: Final = 2
_THOUSAND: Final = 1000.0
_LONG: Final = frozenset({"p95_ms", "p99_ms", "overload_p95_ms"})
_SHORT: Final = frozenset({"overload_p90_ms"})

COUNTED: Final = ("spent_usd", "answered", "good", "kept_per_s")
"""What else `figures` tells of a trial, for money: dollars, answers, good ones, and good ones a
second at the best of its loads."""

Told = Mapping[str, float | None]
"""What else a trial tells by name: cost, memory, CPU time."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A measure, and how it is read.

    Attributes:
        measure: what it is.
        read: from the phases by name and from what else the trial tells; None: it has none.
    """

    measure: Measure
    read: Callable[[Mapping[str, PhaseRecord], Told], float | None]


def figures(record: RunRecord, told: Told) -> dict[str, float | None]:
    """Every measure of a trial whose phases there were, and what was counted for money.

    Args:
        record: of its run.
        told: what else it tells.
    """
    phases = {each.phase.name: each for each in record.phases}
    measured = {kind.measure.name: kind.read(phases, told) for kind in KINDS}
    return measured | dict(zip(COUNTED, _counted(phases, told), strict=True))


def latencies_ms(phase: PhaseRecord) -> list[float]:
    """End-to-end times of those that succeeded."""
    requests = phase.requests
    if requests is None:
        return []
    pairs = zip(requests.e2e_ms, requests.outcome, strict=True)
    return [e2e for e2e, outcome in pairs if outcome == "ok"]


def recovery_s(phases: Mapping[str, PhaseRecord]) -> float | None:
    """How long after the overload requests still took too long; the whole phase, if to its end."""
    calm, after = phases.get(DAY) or phases.get(BUSY), phases.get(RECOVERY)
    if calm is None or after is None or after.requests is None or not after.requests.at_s:
        return None
    # It need not be exact to be a mark.
    usual_ms = quantiles([each / 1000 for each in latencies_ms(calm)]).p90_ms
    if usual_ms is None:
        return None
    requests = after.requests
    seen = [
        (at_s, outcome != "ok" or e2e_ms > _WELL_FACTOR * usual_ms)
        for at_s, e2e_ms, outcome in zip(
            requests.at_s, requests.e2e_ms, requests.outcome, strict=True
        )
    ]
    return settled_s(seen, after.phase.seconds, _LATE_SHARE)


def _of(name: str, read: Callable[[PhaseRecord], float | None]) -> Callable[..., float | None]:
    """Read a measure of one phase; None where the trial has no such phase."""

    def found(phases: Mapping[str, PhaseRecord], _told: Told) -> float | None:
        phase = phases.get(name)
        return None if phase is None else read(phase)

    return found


def _told(name: str) -> Callable[..., float | None]:
    return lambda _phases, told: told.get(name)


def _quantile_ms(phase: PhaseRecord, share: float) -> float | None:
    found = latencies_ms(phase)
    if len(found) * (1 - share) < _BEYOND_LEAST:
        return None
    # `quantiles` is of seconds.
    told = quantiles([each / 1000 for each in found])
    return {0.5: told.p50_ms, 0.9: told.p90_ms, 0.95: told.p95_ms, 0.99: told.p99_ms}[share]


def _at(share: float) -> Callable[[PhaseRecord], float | None]:
    return lambda phase: _quantile_ms(phase, share)


def _mean_ms(phase: PhaseRecord) -> float | None:
    found = latencies_ms(phase)
    return fmean(found) if found else None


def _variance(phase: PhaseRecord) -> float | None:
    found = latencies_ms(phase)
    if len(found) < _VARIED_LEAST:
        return None
    return pvariance(found) / 1e6


def _first_ms(phase: PhaseRecord) -> float | None:
    return phase.summary.ttft.p50_ms


def _good_per_s(phase: PhaseRecord) -> float | None:
    return phase.summary.good_per_s


def _answers_per_s(phase: PhaseRecord) -> float | None:
    return phase.summary.throughput_per_s


def _failed(phase: PhaseRecord) -> float | None:
    return phase.summary.failed_share if phase.summary.requests else None


def _usd_per_1000(phases: Mapping[str, PhaseRecord], told: Told) -> float | None:
    """Dollars for a thousand answers, be they good or not."""
    spent, answered, _, _ = _counted(phases, told)
    return None if spent is None or not answered else _THOUSAND * spent / answered


def _counted(
    phases: Mapping[str, PhaseRecord], told: Told
) -> tuple[float | None, float, float, float | None]:
    """What `COUNTED` names, of the whole trial: all of it has been paid.

    The most good answers a second are at the best of its loads. With everything off that is not
    the overload: whoever has instances enough never comes to that.
    """
    usd = told.get("cost_usd_per_1000_good")
    summaries = [phase.summary for phase in phases.values()]
    good = sum(summary.good_share * summary.requests for summary in summaries)
    answered = sum(summary.requests - summary.failed for summary in summaries)
    kept = [phase.summary.good_per_s for name, phase in phases.items() if name != WARM]
    spent = None if usd is None else usd * good / _THOUSAND
    return spent, answered, good, max(kept, default=None)


def _recovered(phases: Mapping[str, PhaseRecord], _told: Told) -> float | None:
    return recovery_s(phases)


def _kind(
    name: str,
    label: str,
    unit: str,
    about: str,
    read: Callable[..., float | None],
    *,
    better: Literal["lower", "higher"] = "lower",
    difference: float | None = None,
) -> Kind:
    question = Question(
        metric=name,
        better=better,
        margin=MARGIN if difference is None else difference,
        scale="ratio" if difference is None else "difference",
    )
    measure = Measure(name=name, label=label, unit=unit, about=about, question=question)
    return Kind(measure=measure, read=read)


KINDS: Final = (
    _kind(
        "mean_ms",
        "mean latency, by day",
        "ms",
        "of requests that succeeded, from when they should have been sent",
        _of(DAY, _mean_ms),
    ),
    _kind("p50_ms", "p50, by day", "ms", "the median of them", _of(DAY, _at(0.5))),
    _kind("p95_ms", "p95, by day", "ms", "19 of 20 of them took no longer", _of(DAY, _at(0.95))),
    _kind("p99_ms", "p99, by day", "ms", "99 of 100 of them took no longer", _of(DAY, _at(0.99))),
    _kind(
        "ttft_ms",
        "first token, p50",
        "ms",
        "of streams that succeeded, by day",
        _of(DAY, _first_ms),
    ),
    _kind(
        "usd_per_1000",
        "cost of 1,000 answers",
        "$",
        "what the provider's calls cost by list prices, for requests that succeeded",
        _usd_per_1000,
    ),
    _kind(
        "usd_per_1000_good",
        "cost of 1,000 good ones",
        "$",
        "the same, for those that kept the limits of a good one too",
        _told("cost_usd_per_1000_good"),
    ),
    _kind(
        "goodput_per_s",
        "goodput, overload",
        "/s",
        "requests a second that kept the limits of a good one, with too many of them",
        _of(OVERLOAD, _good_per_s),
        better="higher",
    ),
    _kind(
        "answers_per_s",
        "answers, overload",
        "/s",
        "requests a second that succeeded, however late",
        _of(OVERLOAD, _answers_per_s),
        better="higher",
    ),
    _kind(
        "variance_s2",
        "variance, overload",
        "s²",
        "of the latency of those that succeeded",
        _of(OVERLOAD, _variance),
    ),
    _kind(
        "overload_p90_ms",
        "p90, overload",
        "ms",
        "of those that succeeded",
        _of(OVERLOAD, _at(0.9)),
    ),
    _kind(
        "overload_p95_ms",
        "p95, overload",
        "ms",
        "of those that succeeded",
        _of(OVERLOAD, _at(0.95)),
    ),
    _kind(
        "failed_share",
        "failed or refused, overload",
        "",
        "of all requests; a refusal at once is the price of the rest being served",
        _of(OVERLOAD, _failed),
        difference=_SHARE_MARGIN,
    ),
    _kind(
        "recovery_s",
        "recovery",
        "s",
        "after the overload, until from then on 9 of 10 requests took at most 1.5 times what 9 of "
        "10 took before; the whole phase, if that never came",
        _recovered,
        difference=_RECOVERY_MARGIN_S,
    ),
    _kind(
        "cpu_us",
        "CPU of an answer",
        "µs",
        "of the gateway's processes, for each request that succeeded: what all of this takes",
        _told("cpu_us_per_answer"),
    ),
    _kind("rss_mb", "memory", "MB", "of the gateway's processes, at most", _told("rss_mb_max")),
)


def measures(tail: str) -> tuple[Measure, ...]:
    """All that are asked about.

    Args:
        tail: `p90` where trials are short, and a day has too few requests for any tail; `p95`
            where they are long enough for more than that.
    """
    left_out = {"p90": _LONG, "p95": _SHORT}[tail]
    return tuple(kind.measure for kind in KINDS if kind.measure.name not in left_out)


def named(names: Sequence[str]) -> tuple[Measure, ...]:
    """Measures by their names."""
    by_name = {kind.measure.name: kind.measure for kind in KINDS}
    return tuple(by_name[name] for name in names)
