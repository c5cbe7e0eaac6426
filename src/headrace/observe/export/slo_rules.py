"""Service levels as rules: how fast each budget burns, and alerts over two windows each.

The windows and shares are those of Google's SRE Workbook, "Alerting on SLOs": a fast window says
that it still burns, a slow one that it has burnt enough to matter.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from headrace.observe.export.rule import Alert, Group, Record, Severity
from headrace.settings.slos import MODEL_ROUTES, Slo, edge_s

# What refuses a caller is neither good nor bad.
JUDGED: Final = f'route=~"{"|".join(MODEL_ROUTES)}",status!~"4.."'
ASKED: Final = f'route=~"{"|".join(MODEL_ROUTES)}"'
WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d")
RATIO: Final = "job:headrace_slo_errors:ratio_rate"
BAD: Final = "job:headrace_slo_errors:increase"
# Fewer bad answers are no state of affairs, whatever share of few answers they are.
BAD_LEAST: Final = 5


class Burn(msgspec.Struct, frozen=True):
    """How fast is too fast.

    Attributes:
        name: the end of the alert's name.
        factor: times the rate at which a budget of 30 days lasts for 30 days.
        slow: the window over which that much has burnt.
        fast: the window that says that it burns now.
        for_: for how long.
        severity: of the alert.
    """

    name: str
    factor: float
    slow: str
    fast: str
    for_: str
    severity: Severity


BURNS: Final = (
    Burn("Fast", 14.4, "1h", "5m", "2m", "page"),
    Burn("Steady", 6.0, "6h", "30m", "15m", "page"),
    Burn("Slow", 1.0, "3d", "6h", "1h", "ticket"),
)


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
    if slo.kind == "availability":
        asked = f"sum by (job) (rate(headrace_requests_total{{{JUDGED}}}[{window}]))"
        failed = f'sum by (job) (rate(headrace_requests_total{{{ASKED},status=~"5.."}}[{window}]))'
        return f"(\n  {failed}\n  or\n  0 * {asked}\n)\n/\n{asked}"
    name = _histogram(slo)
    edge = f'le="{edge_s(slo)!r}"'
    good = f"sum by (job) (rate({name}_seconds_bucket{{{ASKED},{edge}}}[{window}]))"
    every = f"sum by (job) (rate({name}_seconds_count{{{ASKED}}}[{window}]))"
    return f"1 -\n{good}\n/\n{every}"


def bad_count(slo: Slo, window: str) -> str:
    """PromQL: about how many bad answers were given over `window`, by job."""
    if slo.kind == "availability":
        failed = f'{{{ASKED},status=~"5.."}}[{window}]'
        return f"sum by (job) (increase(headrace_requests_total{failed}))"
    name = _histogram(slo)
    edge = f'le="{edge_s(slo)!r}"'
    return (
        f"sum by (job) (increase({name}_seconds_count{{{ASKED}}}[{window}]))\n-\n"
        f"sum by (job) (increase({name}_seconds_bucket{{{ASKED},{edge}}}[{window}]))"
    )


def _histogram(slo: Slo) -> str:
    return "headrace_stream_start" if slo.kind == "ttft" else "headrace_request_duration"


def _records(slos: tuple[Slo, ...]) -> Iterator[Record]:
    for slo in slos:
        for window in WINDOWS:
            yield Record(f"{RATIO}{window}", bad_ratio(slo, window), {"slo": slo.name})
        for burn in BURNS:
            yield Record(f"{BAD}{burn.slow}", bad_count(slo, burn.slow), {"slo": slo.name})


def _alerts(slos: tuple[Slo, ...]) -> Iterator[Alert]:
    for slo in slos:
        for burn in BURNS:
            # The factors are those of 30 days; a budget that lasts its window burns at 1.
            limit = max(1.0, burn.factor * slo.window_days / 30) * slo.budget
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
