"""What is the matter now, from what was seen. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from headrace.console import alarm_words as words
from headrace.console.alarm_rules import WATCHED, Watched
from headrace.console.alarm_words import Severity, Wording, counted, dollars, gib, share
from headrace.console.chronicle import Chronicle
from headrace.console.signs import History, Labels, Series
from headrace.observe.export import limits
from headrace.observe.slo_burns import BURNS
from headrace.settings.slos import BAD_LEAST

_FIVE_MINUTES_S: Final = 300.0
_FREE_SHARE: Final = 0.05
# The rule asks for the 99th percentile.
_LATE_SHARE: Final = 0.01
_BURNING: Final[Mapping[str, Wording]] = {
    "fast": words.BURNS_FAST,
    "steady": words.BURNS_STEADY,
    "slow": words.BURNS_SLOW,
}
_SLOW_WINDOW: Final[Mapping[str, str]] = {burn.name.lower(): burn.slow for burn in BURNS}


class Alarm(msgspec.Struct, frozen=True):
    """Something that is the matter.

    Attributes:
        name: of the alert.
        severity: `page` is for now, `ticket` can wait until morning.
        what: in a sentence.
        todo: what helps.
    """

    name: str
    severity: Severity
    what: str
    todo: str


class Place(msgspec.Struct, frozen=True):
    """How the directory of data is.

    Attributes:
        free_bytes: of its disk.
        total_bytes: of its disk.
        refused_rows: of the ledger, that the store did not take.
        unreadable: files of its journal that are none any more.
    """

    free_bytes: int
    total_bytes: int
    refused_rows: int = 0
    unreadable: int = 0


def alarms(
    history: History,
    chronicle: Chronicle,
    slos: Iterable[Mapping[str, Any]],
    budgets: Iterable[Mapping[str, Any]],
    place: Place | None,
) -> list[Alarm]:
    """All that is the matter, the pressing things first.

    Args:
        history: of what all workers count.
        chronicle: of a week of it.
        slos: how service levels stand, as `/admin/slos` tells it.
        budgets: how budgets stand, as `/admin/spend` tells it.
        place: the directory of data; None where nobody can tell.
    """
    found = [
        *(alarm for watched in WATCHED for alarm in _watched(watched, history)),
        *_errors(history),
        *_provider_errors(history),
        *_late(history),
        *_cpu(history),
        *_week(chronicle),
        *(alarm for slo in slos for alarm in _slo(slo)),
        *(alarm for budget in budgets for alarm in _budget(budget)),
        *([] if place is None else _place(place)),
    ]
    return sorted(found, key=lambda alarm: (alarm.severity, alarm.name))


def _alarm(
    wording: Wording, value: float = 0.0, *labels: str, shown: Callable[[float], str] = counted
) -> Alarm:
    what = wording.what.format(*labels, value=shown(value))
    return Alarm(wording.name, wording.severity, what, wording.todo.format(*labels))


def _watched(rule: Watched, history: History) -> Iterator[Alarm]:
    for labels, value in _values(rule, history).items():
        if value > rule.limit and (not rule.only or rule.only.intersection(labels)):
            yield _alarm(rule.told, value, *labels, shown=rule.shown)


def _values(rule: Watched, history: History) -> Series:
    if rule.way == "grown":
        return history.grown(rule.family, rule.window_s)
    if rule.way == "lasting":
        return history.least(rule.family, rule.window_s)
    return history.last.of(rule.family)


def _errors(history: History) -> Iterator[Alarm]:
    counts = Counter[str]()
    for (_, verdict, _), count in history.grown("headrace_answer_seconds", _FIVE_MINUTES_S).items():
        counts[verdict] += round(count)
    failed = counts["bad"]
    part = failed / max(failed + counts["good"], 1)
    if failed >= BAD_LEAST and part > limits.ERROR_SHARE:
        yield _alarm(words.ERRORS, part, shown=share)


def _provider_errors(history: History) -> Iterator[Alarm]:
    answers = history.grown("headrace_upstream_requests_total", _FIVE_MINUTES_S)
    errors = history.grown("headrace_upstream_errors_total", _FIVE_MINUTES_S)
    calls, failed = Counter[str](), Counter[str]()
    for (name, status), count in answers.items():
        calls[name] += round(count)
        failed[name] += round(count) if status == "5xx" else 0
    for (name, _), count in errors.items():
        calls[name] += round(count)
        failed[name] += round(count)
    for name, bad in failed.items():
        if bad > limits.PROVIDER_ERROR_SHARE * calls[name]:
            yield _alarm(words.PROVIDER_ERRORS, bad / calls[name], name, shown=share)


def _late(history: History) -> Iterator[Alarm]:
    buckets = history.grown("headrace_loop_lag_seconds", _FIVE_MINUTES_S)
    late = sum(count for labels, count in buckets.items() if float(labels[-1]) > limits.LOOP_LATE_S)
    if late > _LATE_SHARE * sum(buckets.values()) and history.is_long(_FIVE_MINUTES_S):
        yield _alarm(words.LOOP_LATE)


def _cpu(history: History) -> Iterator[Alarm]:
    used_s = sum(history.grown("process_cpu_seconds_total", _FIVE_MINUTES_S).values())
    workers = max(history.last.total("headrace_workers"), 1.0)
    part = used_s / history.span_s(_FIVE_MINUTES_S) / workers
    if part > limits.CPU_SHARE and history.is_long(_FIVE_MINUTES_S):
        yield _alarm(words.CPU, part, shown=share)


def _week(chronicle: Chronicle) -> Iterator[Alarm]:
    if (spike := chronicle.cost_spike()) is not None:
        yield _alarm(words.COST_SPIKE, spike.now, dollars(spike.before), shown=dollars)
    if (fall := chronicle.hit_fall()) is not None:
        yield _alarm(words.HITS_FELL, fall.now, share(fall.before), shown=share)


def _slo(level: Mapping[str, Any]) -> Iterator[Alarm]:
    burn = level["burning"]
    if burn is not None:
        rate = level["burn_rates"][_SLOW_WINDOW[burn]]
        yield _alarm(_BURNING[burn], rate, level["name"], shown=lambda rate: f"{rate:.1f}")
    if level["answers"] and level["budget_left"] <= 0 and burn is None:
        yield _alarm(words.USED_UP, 0.0, level["name"])
    reaction = level["reaction"]
    if reaction is not None and reaction["share"] > 0:
        yield _alarm(words.GIVES_WAY, reaction["share"], level["name"], shown=share)


def _budget(budget: Mapping[str, Any]) -> Iterator[Alarm]:
    for period in ("day", "month"):
        standing = budget.get(period)
        if standing is None or not standing["limit_usd"]:
            continue  # who may spend nothing is meant to be refused
        limit_usd = standing["limit_usd"]
        used_usd = standing["spent_usd"] + standing["reserved_usd"]
        labels: Labels = (budget["name"], period, standing["ends_at"])
        if standing["spent_usd"] >= limit_usd:
            yield _alarm(words.BUDGET_SPENT, 0.0, *labels)
        elif used_usd > limits.BUDGET_SHARE * limit_usd:
            yield _alarm(words.BUDGET_NEAR, used_usd / limit_usd, *labels, shown=share)


def _place(place: Place) -> Iterator[Alarm]:
    if place.free_bytes < words.GIB or place.free_bytes < _FREE_SHARE * place.total_bytes:
        yield _alarm(words.DISK, place.free_bytes, shown=gib)
    if place.refused_rows:
        yield _alarm(words.REFUSED, place.refused_rows)
    if place.unreadable:
        yield _alarm(words.UNREADABLE, place.unreadable)
