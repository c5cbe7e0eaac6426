"""How figures are written for people. Pure."""

import math
from typing import Final

from headrace.bench.exhibit.results import Measure, Row
from headrace.bench.statistics.figures import Interval

DASH: Final = "–"
MINUS: Final = "\u2212"
NEVER: Final = "never"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many digits that mean something."""
    if value is None:
        return DASH
    if math.isnan(value):
        return DASH
    if math.isinf(value):
        return NEVER
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(places, 6)}f}".replace("-", MINUS)


def tick(value: float) -> str:
    """A figure on an axis, without digits that say nothing."""
    return f"{value:,.6g}".replace("-", MINUS)


def share(value: float, places: int = 1) -> str:
    """A share in per cent."""
    if not math.isfinite(value):
        return NEVER
    return f"{100 * value:,.{places}f} %".replace("-", MINUS)


def change(effect: float) -> str:
    """A ratio as what changed: `-34 %`, or `x 3.2` where it is more than twice as much."""
    if effect >= 2.0:
        return f"× {number(effect)}"
    places = 2 if abs(effect - 1.0) < 0.01 or effect < 0.1 else 1
    return f"{100 * (effect - 1.0):+,.{places}f} %".replace("-", MINUS)


def changes(interval: Interval, *, is_ratio: bool) -> str:
    """Where an effect lies."""
    told = change if is_ratio else signed
    return f"{told(interval.low)} to {told(interval.high)}"


def signed(value: float) -> str:
    """A difference."""
    told = number(value)
    return told if value <= 0 else f"+{told}"


def with_unit(value: float | None, measure: Measure) -> str:
    """A figure of a measure."""
    if value is None:
        return DASH
    if measure.unit == "$":
        return dollars(value)
    if not measure.unit:
        return share(value)
    return f"{number(value)} {measure.unit}"


def dollars(value: float) -> str:
    """US dollars; cents where there are few."""
    if math.isinf(value):
        return NEVER
    if abs(value) >= 1000:
        return f"${value:,.0f}".replace("$-", f"{MINUS}$")
    return f"${value:,.2f}".replace("$-", f"{MINUS}$") if abs(value) >= 0.1 else f"${value:,.4f}"


def effect(row: Row) -> str:
    """What B changed."""
    found = row.answer.estimate
    if found is None:
        return DASH
    is_ratio = row.measure.question.scale == "ratio"
    return change(found.effect) if is_ratio else signed(found.effect)


def interval(row: Row) -> str:
    """Where that lies."""
    found = row.answer.estimate
    if found is None:
        return DASH
    return changes(found.interval, is_ratio=row.measure.question.scale == "ratio")


def centre(row: Row, arm: str) -> str:
    """The mean of one arm, geometric where there is a ratio."""
    found = row.answer.estimate
    if found is None:
        return DASH
    return with_unit(found.centre_a if arm == "a" else found.centre_b, row.measure)


def smallest(row: Row) -> str:
    """The smallest change that so many trials would have shown."""
    found = row.answer.estimate
    if found is None:
        return DASH
    if row.measure.question.scale == "ratio":
        return share(found.detectable)
    return number(found.detectable)


def runs(row: Row) -> str:
    """Trials of each arm that were counted."""
    found = row.answer.estimate
    whole = max(len(row.a), len(row.b))
    return f"{min(found.runs)} of {whole}" if found is not None else f"0 of {whole}"
