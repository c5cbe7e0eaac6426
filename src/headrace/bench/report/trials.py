"""Trial by trial: pairs, quantile shifts, recovery and money. Pure."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

from headrace.bench.exhibit.results import Duel, Row, Shift
from headrace.bench.impact import Impact, Worth
from headrace.bench.report.frame import (
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Figure,
    across,
    arm_class,
    legend,
    upright,
)
from headrace.bench.report.scales import Scale, spanning
from headrace.bench.report.svg import box, dot, line, path, picture, words
from headrace.bench.report.told import change, changes, dollars, number, tick, with_unit

_BOTTOM: Final = 200.0
_HEIGHT: Final = 240.0
_PAIRED: Final = ("mean_ms", "variance_s2", "goodput_per_s", "usd_per_1000")
_PANEL: Final = 150.0
_LANE: Final = 44.0


def shifts(found: Sequence[Shift]) -> Figure:
    """How much each quantile of latency moved: a mean may hide a tail that grew."""
    x = Scale(kind="linear", low=0.05, high=1.0, start=LEFT, end=RIGHT)
    ends = [end for each in found for end in (each.interval.low, each.interval.high)]
    y = spanning(ends, _BOTTOM, TOP, kind="log", hold=(1.0,))
    drawn = across(x, TOP, _BOTTOM, "quantile of latency, by day")
    drawn += upright(y, LEFT, RIGHT, "times as long as with everything off", _times)
    drawn += line((LEFT, y.at(1.0)), (RIGHT, y.at(1.0)), "zero")
    for each in found:
        at = x.at(each.share)
        drawn += line((at, y.at(each.interval.low)), (at, y.at(each.interval.high)), "bar b")
    drawn += path([(x.at(each.share), y.at(each.effect)) for each in found], "line b")
    drawn += "".join(
        dot((x.at(each.share), y.at(each.effect)), "dot b", is_square=True, size=3.0)
        for each in found
    )
    title = "How each quantile moved"
    said = "; ".join(f"p{100 * each.share:g} {change(each.effect)}" for each in found)
    return Figure(
        name="shifts",
        title=title,
        about="Below the line is faster. Bars are 95 % intervals, with the trial as the unit, of "
        "requests that succeeded.",
        svg=picture("shifts", title, said or "Too few requests.", (WIDTH, _HEIGHT), drawn),
        heads=("quantile", "change", "95 % interval"),
        rows=tuple(
            (f"p{100 * e.share:g}", change(e.effect), changes(e.interval, is_ratio=True))
            for e in found
        ),
    )


def pairs(duel: Duel) -> Figure:
    """Every trial as a dot; those that were made side by side are joined."""
    rows = [row for name in _PAIRED if (row := duel.row(name)) is not None]
    drawn = legend((duel.a, duel.b), TOP - 14)
    for place, row in enumerate(rows):
        left = LEFT + (place % 2) * (WIDTH - LEFT) / 2
        drawn += _panel(row, left, TOP + 8 + (place // 2) * (_PANEL + 24))
    height = TOP + 8 + math.ceil(len(rows) / 2) * (_PANEL + 24)
    title = "Trial by trial"
    said = "; ".join(f"{row.measure.label}: {_pairs_better(row)}" for row in rows)
    return Figure(
        name="pairs",
        title=title,
        about="Each line is a pair of trials, made side by side in an order that chance chose.",
        svg=picture("pairs", title, said, (WIDTH, height), drawn),
        heads=("measure", "pair", duel.a, duel.b),
        rows=tuple(
            (row.measure.label, str(n + 1), with_unit(a, row.measure), with_unit(b, row.measure))
            for row in rows
            for n, (a, b) in enumerate(zip(row.a, row.b, strict=True))
        ),
    )


def recovery(duel: Duel) -> Figure:
    """How long after the overload it took until requests went as usual."""
    row = duel.row("recovery_s")
    a, b = (row.a, row.b) if row is not None else ((), ())
    arms = ((duel.a, a), (duel.b, b))
    told = [[each for each in figures if each is not None] for _, figures in arms]
    x = spanning([each for figures in told for each in figures], LEFT, RIGHT, hold=(0.0,))
    bottom = TOP + 2 * _LANE
    drawn = across(x, TOP, bottom, "seconds after the overload")
    for place, figures in enumerate(told):
        y = TOP + _LANE * (place + 0.5)
        drawn += words(arms[place][0], LEFT + 4, y - 12, "tick")
        # Trials that took as long stand above each other.
        for number_, each in enumerate(figures):
            at = (x.at(each), y + 3 + 2.5 * (number_ % 5))
            drawn += dot(at, f"dot {arm_class(place)}", is_square=bool(place), size=3.0)
        if figures:
            middle = x.at(median(figures))
            drawn += line((middle, y - 6), (middle, y + 18), f"bar {arm_class(place)}")
    title = "Recovery"
    said = "; ".join(
        f"{arms[place][0]}: median {number(median(figures))} s"
        for place, figures in enumerate(told)
        if figures
    )
    return Figure(
        name="recovery",
        title=title,
        about="From the end of the overload until requests took no longer than before. "
        "A dot is a trial, the bar their median; the last of them is the end of the phase.",
        svg=picture("recovery", title, said or "Not measured.", (WIDTH, bottom + 40), drawn),
        heads=("arm", "trial", "seconds"),
        rows=tuple(
            (arm, str(number_ + 1), number(each))
            for arm, figures in arms
            for number_, each in enumerate(figures)
        ),
    )


def money(found: Impact, arms: tuple[str, str]) -> Figure:
    """What a thousand good requests cost, with the interval that the trials leave."""
    sides = (found.a.usd_per_1000, found.b.usd_per_1000)
    x = spanning([each.interval.high for each in sides], LEFT, RIGHT - 60, hold=(0.0,))
    bottom = TOP + 2 * _LANE
    drawn = across(x, TOP, bottom, "US dollars for 1,000 good requests")
    for place, side in enumerate(sides):
        y = TOP + _LANE * place
        drawn += _bar(side, arms[place], x, y, place)
    title = "What a thousand good requests cost"
    said = "; ".join(f"{arm}: {_worth(side)}" for arm, side in zip(arms, sides, strict=True))
    return Figure(
        name="money",
        title=title,
        about=f"By list prices of {found.terms.prices_date}; bars end in their 95 % interval.",
        svg=picture("money", title, said, (WIDTH, bottom + 40), drawn),
        heads=("arm", "US dollars", "95 % interval"),
        rows=tuple(
            (arm, dollars(s.value), f"{dollars(s.interval.low)} to {dollars(s.interval.high)}")
            for arm, s in zip(arms, sides, strict=True)
        ),
    )


def _bar(side: Worth, arm: str, x: Scale, y: float, place: int) -> str:
    middle = y + 27
    return (
        words(arm, LEFT + 2, y + 13, "tick")
        + box((LEFT, y + 18), x.at(side.value) - LEFT, 18, f"fill {arm_class(place)}")
        + line((x.at(side.interval.low), middle), (x.at(side.interval.high), middle), "whisker")
        + words(dollars(side.value), x.at(side.interval.high) + 6, middle + 4, "group")
    )


def _worth(side: Worth) -> str:
    return f"{dollars(side.value)} ({dollars(side.interval.low)} to {dollars(side.interval.high)})"


def _panel(row: Row, left: float, top: float) -> str:
    """One measure: the baseline on the left, what is compared with it on the right."""
    both = [each for each in (*row.a, *row.b) if each is not None]
    y = spanning(both, top + _PANEL - 26, top + 12, kind="log")
    x = (left + 26, left + 126)
    unit = f", {row.measure.unit}" if row.measure.unit else ""
    drawn = words(f"{row.measure.label}{unit}", left - 40, top, "axis")
    for each in y.ticks(4):
        drawn += line((left, y.at(each)), (left + 150, y.at(each)), "grid")
        drawn += words(tick(each), left - 5, y.at(each) + 4, "tick", "end")
    for a, b in zip(row.a, row.b, strict=True):
        if a is not None and b is not None:
            drawn += line((x[0], y.at(a)), (x[1], y.at(b)), "pair")
        if a is not None:
            drawn += dot((x[0], y.at(a)), "dot a")
        if b is not None:
            drawn += dot((x[1], y.at(b)), "dot b", is_square=True)
    return drawn


def _pairs_better(row: Row) -> str:
    is_higher = row.measure.question.better == "higher"
    told = [(a, b) for a, b in zip(row.a, row.b, strict=True) if a is not None and b is not None]
    better = sum((b > a) if is_higher else (b < a) for a, b in told)
    return f"better in {better} of {len(told)} pairs"


def _times(value: float) -> str:
    return f"{tick(value)}×"
