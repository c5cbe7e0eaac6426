"""Lines of two arms: latency by percentile, by offered load and by time. Pure."""

from collections.abc import Sequence
from typing import Final

from headrace.bench.exhibit.results import Curve, LoadPoint, Range, Span
from headrace.bench.report.frame import (
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Figure,
    Show,
    across,
    arm_class,
    legend,
    marked_line,
    upright,
)
from headrace.bench.report.scales import Scale, spanning
from headrace.bench.report.svg import box, line, picture, words
from headrace.bench.report.told import DASH, number

_HEIGHT: Final = 240.0
_BOTTOM: Final = 200.0
_PANEL: Final = 130.0
_BETWEEN: Final = 40.0


def percentiles(curves: Sequence[Curve]) -> Figure:
    """Latency by the share of requests that took no longer, each nine as wide as the one before."""
    most = max((share for curve in curves for share, _ in curve.points), default=0.99)
    x = Scale(kind="nines", low=0.0, high=max(most, 0.95), start=LEFT, end=RIGHT)
    y = spanning([ms for curve in curves for _, ms in curve.points], _BOTTOM, TOP, kind="log")
    drawn = across(x, TOP, _BOTTOM, "share of requests", _share) + upright(y, LEFT, RIGHT, "ms")
    for place, curve in enumerate(curves):
        places = [(x.at(share), y.at(ms)) for share, ms in curve.points]
        drawn += marked_line(places, place)
    drawn += legend([curve.arm for curve in curves], TOP - 14)
    title = "Latency by percentile, by day"
    return Figure(
        name="percentiles",
        title=title,
        about="All requests that succeeded, of all trials together: to look at, not to judge by.",
        svg=picture("percentiles", title, _ends(curves, "ms"), (WIDTH, _HEIGHT), drawn),
        heads=("share of requests", *(f"{curve.arm}, ms" for curve in curves)),
        rows=_table(curves, _share),
    )


def loads(points: Sequence[LoadPoint], arms: Sequence[str]) -> Figure:
    """Latency and goodput against what was asked for."""
    offered = [point.offered_per_s for point in points]
    x = spanning(offered, LEFT, RIGHT, hold=(0.0,))
    tails = [p.p95_ms for p in points if p.p95_ms is not None]
    above = spanning(
        [value for r in tails for value in (r.low, r.high)], TOP + _PANEL, TOP, kind="log"
    )
    low_top = TOP + _PANEL + _BETWEEN
    below = spanning(
        [*offered, *(p.good_per_s.high for p in points)], low_top + _PANEL, low_top, hold=(0.0,)
    )
    drawn = upright(above, LEFT, RIGHT, "p95 of those that succeeded, ms")
    drawn += upright(below, LEFT, RIGHT, "good answers a second; dashed: all that was asked for")
    drawn += across(x, low_top, low_top + _PANEL, "requests a second that were asked for")
    drawn += line(
        (x.at(0.0), below.at(0.0)),
        (x.at(max(offered, default=1.0)), below.at(max(offered, default=1.0))),
        "ideal",
    )
    for place, arm in enumerate(arms):
        mine = [point for point in points if point.arm == arm]
        drawn += _ranged([(p.offered_per_s, p.p95_ms) for p in mine], x, above, place)
        drawn += _ranged([(p.offered_per_s, p.good_per_s) for p in mine], x, below, place)
    drawn += legend(arms, TOP - 14)
    title = "Latency and goodput against offered load"
    return Figure(
        name="loads",
        title=title,
        about="The median of the trials, and from the least to the most of them.",
        svg=picture("loads", title, _loads_said(points), (WIDTH, low_top + _PANEL + 40), drawn),
        heads=("arm", "asked for a second", "p95, ms", "good a second"),
        rows=tuple(
            (p.arm, number(p.offered_per_s), _told(p.p95_ms), _told(p.good_per_s)) for p in points
        ),
    )


def timeline(curves: Sequence[Curve], spans: Sequence[Span]) -> Figure:
    """The median latency of all trials, by time, through the phases."""
    end_s = max((span.to_s for span in spans), default=1.0)
    x = Scale(kind="linear", low=0.0, high=end_s, start=LEFT, end=RIGHT)
    y = spanning([ms for curve in curves for _, ms in curve.points], _BOTTOM, TOP + 16, kind="log")
    drawn = "".join(_span(span, x, number_) for number_, span in enumerate(spans))
    drawn += across(x, TOP + 16, _BOTTOM, "seconds since the trial began")
    drawn += upright(y, LEFT, RIGHT, "")
    for place, curve in enumerate(curves):
        places = [(x.at(at_s), y.at(ms)) for at_s, ms in curve.points]
        drawn += marked_line(places, place, dots=False)
    drawn += legend([curve.arm for curve in curves], TOP - 14)
    title = "A trial from its beginning to its end"
    return Figure(
        name="timeline",
        title=title,
        about="Median latency in ms of requests that succeeded, of all trials together, by when "
        "they should be sent.",
        svg=picture("timeline", title, _phases_said(curves, spans), (WIDTH, _HEIGHT), drawn),
        heads=("seconds", *(f"{curve.arm}, ms" for curve in curves)),
        rows=_table(curves, number),
    )


def _ranged(points: Sequence[tuple[float, Range | None]], x: Scale, y: Scale, place: int) -> str:
    """A line through medians, with a bar from the least to the most at each."""
    told = [(offered, found) for offered, found in points if found is not None]
    bars = "".join(
        line((x.at(at), y.at(r.low)), (x.at(at), y.at(r.high)), f"bar {arm_class(place)}")
        for at, r in told
    )
    return bars + marked_line([(x.at(at), y.at(r.mid)) for at, r in told], place)


def _span(span: Span, x: Scale, number_: int) -> str:
    left, right = x.at(span.from_s), x.at(span.to_s)
    shade = box((left, TOP), right - left, _BOTTOM - TOP, f"span shade{number_ % 2}")
    fits = right - left > 6.0 * len(span.name)
    return shade + (
        words(span.name, (left + right) / 2, TOP + 11, "tick", "middle") if fits else ""
    )


def _share(value: float) -> str:
    return f"p{100 * value:g}"


def _told(found: Range | None) -> str:
    if found is None:
        return DASH
    return f"{number(found.mid)} ({number(found.low)} to {number(found.high)})"


def _table(curves: Sequence[Curve], show: Show) -> tuple[tuple[str, ...], ...]:
    """The same places of all curves side by side."""
    by_arm = [dict(curve.points) for curve in curves]
    places = sorted({place for each in by_arm for place in each})
    return tuple((show(place), *(number(each.get(place)) for each in by_arm)) for place in places)


def _ends(curves: Sequence[Curve], unit: str) -> str:
    told = [
        f"{curve.arm}: from {number(curve.points[0][1])} to {number(curve.points[-1][1])} {unit}"
        for curve in curves
        if curve.points
    ]
    return "; ".join(told) or "There are no figures."


def _loads_said(points: Sequence[LoadPoint]) -> str:
    told = [
        f"{p.arm} at {number(p.offered_per_s)} a second: p95 {_told(p.p95_ms)} ms, "
        f"{_told(p.good_per_s)} good"
        for p in points
    ]
    return "; ".join(told) or "There are no figures."


def _phases_said(curves: Sequence[Curve], spans: Sequence[Span]) -> str:
    names = ", ".join(span.name for span in spans)
    return f"Phases: {names}. {_ends(curves, 'ms')}"
