"""What all drawings have in common: their size, axes, grid and legend. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headrace.bench.report.scales import Scale
from headrace.bench.report.svg import dot, line, path, words
from headrace.bench.report.told import tick

WIDTH: Final = 440.0
LEFT: Final = 50.0
RIGHT: Final = 420.0
TOP: Final = 30.0
_LETTER: Final = 6.8

Show = Callable[[float], str]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A drawing with all that belongs to it.

    Attributes:
        name: unique in the page.
        title: what it is called.
        about: how to read it.
        svg: the drawing.
        heads: of the table that says the same in numbers.
        rows: of that table; the first cell names the row.
    """

    name: str
    title: str
    about: str
    svg: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def across(scale: Scale, top: float, bottom: float, title: str, show: Show = tick) -> str:
    """The axis below, with a grid line for each tick."""
    marks = "".join(
        line((scale.at(each), top), (scale.at(each), bottom), "grid")
        + words(show(each), scale.at(each), bottom + 14, "tick", "middle")
        for each in scale.ticks()
    )
    middle = (scale.start + scale.end) / 2
    return marks + words(title, middle, bottom + 30, "axis", "middle")


def upright(scale: Scale, left: float, right: float, title: str, show: Show = tick) -> str:
    """The axis on the left, with a grid line for each tick; its title stands above."""
    marks = "".join(
        line((left, scale.at(each)), (right, scale.at(each)), "grid")
        + words(show(each), left - 6, scale.at(each) + 4, "tick", "end")
        for each in scale.ticks(5)
    )
    return marks + words(title, left, min(scale.start, scale.end) - 8, "axis")


def legend(names: Sequence[str], y: float, right: float = RIGHT) -> str:
    """Which mark is whose, from the right; at most two arms have marks of their own."""
    drawn, x = "", right
    for place, name in reversed(list(enumerate(names))):
        x -= _LETTER * len(name)
        drawn += words(name, x, y, "tick")
        drawn += dot((x - 8, y - 4), f"dot {arm_class(place)}", is_square=bool(place))
        x -= 24
    return drawn


def arm_class(place: int) -> str:
    """How the first and the second arm are painted."""
    return ("a", "b")[place]


def marked_line(points: Sequence[tuple[float, float]], place: int, *, dots: bool = True) -> str:
    """A line of one arm, with its marks."""
    drawn = path(points, f"line {arm_class(place)}") if len(points) > 1 else ""
    if not dots and len(points) > 1:
        return drawn
    return drawn + "".join(
        dot(at, f"dot {arm_class(place)}", is_square=bool(place), size=3.0) for at in points
    )
