"""Service levels as rules: how fast each budget burns, and alerts over two windows each."""

from collections.abc import Iterator
from typing import Final

from headrace.observe.export.rule import Alert, Group, Record
from headrace.observe.slo_burns import BURNS, WINDOWS_S, Burn
from headrace.settings.slos import BAD_LEAST, MODEL_ROUTES, Slo, edge_s

ASKED: Final = f'route=~"{"|".join(MODEL_ROUTES)}"'
ANSWERED: Final = "headrace_answer_seconds_count"
BEGUN: Final = "headrace_stream_start_seconds"
# What refuses a caller, or gave way for a service level, is neither good nor bad.
JUDGED: Final = f'{ASKED},verdict=~"good|bad"'
FAILED: Final = f'{ASKED},verdict="bad"'
RATIO: Final = "job:headrace_slo_errors:ratio_rate"
BAD: Final = "job:headrace_slo_errors:increase"


def slo_groups(slos: tuple[Slo, ...]) -> tuple[Group, ...]:
    """The rules of service levels; none where there are none.

    Args:
        slos: those declared; their thresholds are edges of the histograms.
    """
    if not slos:
        return ()
    return (
        Group("headrace-slo-ratios", tuple(_records(slos))),
        Group("headrace-slo-alerts", tuple(_alerts(slos))),
    )


def bad_ratio(slo: Slo, window: str) -> str:
    """PromQL: the share of bad answers over `window`, by job; nothing where none was given."""
    every = _every(slo, "rate", window)
    if slo.kind == "availability":
        failed = _sum("rate", f"{ANSWERED}{{{FAILED}}}", window)
        return f"(\n  {failed}\n  or\n  0 * {every}\n)\n/\n{every}"
    return f"1 -\n{_good(slo, 'rate', window)}\n/\n(\n{every}\n)"


def bad_count(slo: Slo, window: str) -> str:
    """PromQL: about how many bad answers were given over `window`, by job."""
    if slo.kind == "availability":
        return _sum("increase", f"{ANSWERED}{{{FAILED}}}", window)
    return f"{_every(slo, 'increase', window)}\n-\n{_good(slo, 'increase', window)}"


def _good(slo: Slo, function: str, window: str) -> str:
    """Those in time; 0 where all others were not."""
    name, edge = _histogram(slo), f'le="{edge_s(slo)!r}"'
    good = _sum(function, f'{name}_bucket{{{ASKED},verdict="good",{edge}}}', window)
    return f"(\n  {good}\n  or\n  0 * {_sum(function, f'{name}_count{{{ASKED}}}', window)}\n)"


def _every(slo: Slo, function: str, window: str) -> str:
    """All that count: who went away does where the answer was late by then."""
    if slo.kind == "availability":
        return _sum(function, f"{ANSWERED}{{{JUDGED}}}", window)
    name, edge = _histogram(slo), f'le="{edge_s(slo)!r}"'
    every = _sum(function, f'{name}_count{{{ASKED},verdict=~"good|bad|left"}}', window)
    left = _sum(function, f'{name}_bucket{{{ASKED},verdict="left",{edge}}}', window)
    return f"{every}\n-\n(\n  {left}\n  or\n  0 * {every}\n)"


def _sum(function: str, series: str, window: str) -> str:
    return f"sum by (job) ({function}({series}[{window}]))"


def _histogram(slo: Slo) -> str:
    return BEGUN if slo.kind == "ttft" else "headrace_answer_seconds"


def _records(slos: tuple[Slo, ...]) -> Iterator[Record]:
    for slo in slos:
        for window in WINDOWS_S:
            yield Record(f"{RATIO}{window}", bad_ratio(slo, window), {"slo": slo.name})
        for burn in BURNS:
            yield Record(f"{BAD}{burn.slow}", bad_count(slo, burn.slow), {"slo": slo.name})


def _alerts(slos: tuple[Slo, ...]) -> Iterator[Alert]:
    for slo in slos:
        for burn in BURNS:
            limit = burn.limit(slo.window_days) * slo.budget
            # No share of answers is above one: such a rule could only be quiet.
            if limit < 1:
                yield _alert(slo, burn, limit)


def _alert(slo: Slo, burn: Burn, limit: float) -> Alert:
    fast, slow = (f'{RATIO}{window}{{slo="{slo.name}"}}' for window in (burn.fast, burn.slow))
    count = f'{BAD}{burn.slow}{{slo="{slo.name}"}}'
    return Alert(
        f"HeadraceSloBurns{burn.name}",
        f"{slow} > {limit:.6g}\nand\n{fast} > {limit:.6g}\nand\n{count} >= {BAD_LEAST}",
        burn.for_,
        burn.severity,
        f"{slo.name}: {{{{ $value | humanizePercentage }}}} of the answers of {burn.slow} are bad; "
        f"{slo.budget:.4%} may be",
        {"slo": slo.name},
    )
