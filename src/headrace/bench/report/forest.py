"""The forest plot: how many times better, with intervals, beside the margin. Pure."""

import math
from collections.abc import Sequence
from typing import Final

from headrace.bench.exhibit.results import Duel, Row
from headrace.bench.report.frame import LEFT, RIGHT, WIDTH, Figure, across
from headrace.bench.report.scales import Scale, spanning
from headrace.bench.report.svg import box, dot, line, picture, words
from headrace.bench.report.told import effect as effect_told
from headrace.bench.report.told import interval, number, tick

_LABELS: Final = LEFT + 128
_ROW: Final = 17.0
_HEAD: Final = 23.0
_TOP: Final = 12.0
_BELOW: Final = 38.0
# A ratio beyond tells no more than that it is large.
_MOST: Final = 1000.0
_MEANT: Final = frozenset({"mean_ms", "usd_per_1000", "goodput_per_s", "variance_s2"})


def forest(main: Duel, control: Duel | None, alone: Sequence[Duel]) -> Figure:
    """Measures with a ratio, one line each.

    Args:
        main: with all of its measures.
        control: likewise, where there is one.
        alone: each with what it is there for.
    """
    shown = [
        *((duel, _ratios(duel)) for duel in (main, control) if duel is not None),
        *((duel, [row for row in _ratios(duel) if row.measure.name in _MEANT]) for duel in alone),
    ]
    shown = [(duel, rows) for duel, rows in shown if rows]
    height = _TOP + sum(_HEAD + _ROW * len(rows) for _, rows in shown)
    scale = _scale([row for _, rows in shown for row in rows])
    drawn = _band(shown[0][1][0], scale, height) if shown else ""
    drawn += across(scale, _TOP, height, "times better than the baseline", _times)
    y = _TOP
    for duel, rows in shown:
        drawn += words(_headed(duel), 4, y + 16, "group")
        y += _HEAD
        for row in rows:
            drawn += _line(row, scale, y + _ROW / 2)
            y += _ROW
    title = "How many times better"
    return Figure(
        name="forest",
        title=title,
        about=(
            "Right of the band is better, left of it worse, inside it too little to matter. "
            "Bars are 95 % intervals over pairs of trials; hollow marks carry no verdict, and "
            "their bars may end where the drawing does."
        ),
        svg=picture("forest", title, _said(shown), (WIDTH, height + _BELOW), drawn),
        heads=("comparison", "measure", "change", "95 % interval", "verdict"),
        rows=tuple(
            (duel.b, row.measure.label, effect_told(row), interval(row), row.answer.verdict)
            for duel, rows in shown
            for row in rows
        ),
    )


def _ratios(duel: Duel) -> list[Row]:
    return [
        row
        for row in duel.rows
        if row.measure.question.scale == "ratio" and row.answer.estimate is not None
    ]


def _headed(duel: Duel) -> str:
    return f"{duel.b} / {duel.a}"


def _better(row: Row) -> tuple[float, float, float]:
    """How many times better, and where that lies; the same way up for all measures."""
    found = row.answer.estimate
    assert found is not None  # noqa: S101  # rows without one are left out
    ends = (found.effect, found.interval.low, found.interval.high)
    bounded = [min(max(each, 1 / _MOST), _MOST) for each in ends]
    if row.measure.question.better == "higher":
        return bounded[0], bounded[1], bounded[2]
    return 1 / bounded[0], 1 / bounded[2], 1 / bounded[1]


def _scale(rows: Sequence[Row]) -> Scale:
    ends = [value for row in rows for value in _held(row)]
    return spanning(ends, _LABELS, RIGHT - 8, kind="log", hold=(0.8, 1.25))


def _held(row: Row) -> tuple[float, ...]:
    """What has to be on the axis: of too few runs for a verdict, not all of the interval."""
    return _better(row)[:1] if row.answer.verdict == "insufficient" else _better(row)


def _band(row: Row, scale: Scale, height: float) -> str:
    margin = 1.0 + row.measure.question.margin
    low, high = scale.at(1 / margin), scale.at(margin)
    middle = line((scale.at(1.0), _TOP), (scale.at(1.0), height), "zero")
    return box((low, _TOP), high - low, height - _TOP, "band") + middle


def _line(row: Row, scale: Scale, y: float) -> str:
    value, low, high = _better(row)
    class_ = f"verdict {row.answer.verdict}"
    return (
        words(row.measure.label, _LABELS - 8, y + 4, "tick", "end")
        + line((scale.at(low), y), (scale.at(high), y), f"bar {class_}")
        + dot((scale.at(value), y), f"dot {class_}", size=4.0)
    )


def _times(value: float) -> str:
    return f"{tick(value)}×"


def _said(shown: Sequence[tuple[Duel, list[Row]]]) -> str:
    """The first comparison in words; the table has the rest."""
    if not shown:
        return "No comparison has a figure."
    duel, rows = shown[0]
    told = "; ".join(f"{row.measure.label} {effect_told(row)}" for row in rows)
    most = max((_better(row)[0] for _, each in shown for row in each), default=math.nan)
    return f"{duel.b} against {duel.a}: {told}. The largest is {number(most)} times better."
