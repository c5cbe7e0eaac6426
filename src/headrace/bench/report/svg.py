"""SVG as text, by small pure functions. Whatever comes from outside is escaped here, always."""

from collections.abc import Iterable
from html import escape
from typing import Literal

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


def element(name: str, *inner: str, **attributes: str | float) -> str:
    """One element; `class_` is written as `class`, and `stroke_width` as `stroke-width`.

    Args:
        name: of the element.
        inner: what is in it, as markup.
        attributes: text or numbers.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_written(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{told}>{''.join(inner)}</{name}>" if inner else f"<{name}{told}/>"


def words(text: str, x: float, y: float, class_: str = "", anchor: Anchor = "start") -> str:
    """A line of text; its baseline is at `y`."""
    return element("text", escape(text), x=x, y=y, class_=class_, text_anchor=anchor)


def line(from_: Point, to: Point, class_: str) -> str:
    """A straight line."""
    return element("line", x1=from_[0], y1=from_[1], x2=to[0], y2=to[1], class_=class_)


def path(points: Iterable[Point], class_: str) -> str:
    """A line through points."""
    told = " ".join(f"{_written(x)},{_written(y)}" for x, y in points)
    return element("polyline", points=told, class_=class_)


def box(corner: Point, width: float, height: float, class_: str) -> str:
    """A rectangle; one that is turned inside out has no size."""
    return element(
        "rect",
        x=corner[0],
        y=corner[1],
        width=max(0.0, width),
        height=max(0.0, height),
        class_=class_,
    )


def dot(at: Point, class_: str, *, is_square: bool = False, size: float = 3.5) -> str:
    """A mark: round for one arm, square for the other, so that colour is not all that tells."""
    x, y = at
    if is_square:
        return box((x - size, y - size), 2 * size, 2 * size, class_)
    return element("circle", cx=x, cy=y, r=size, class_=class_)


def picture(name: str, title: str, about: str, size: Point, *inner: str) -> str:
    """A drawing that says in words what it shows.

    Args:
        name: unique in the page.
        title: what it is called.
        about: what it shows, for those who do not see it.
        size: width and height of its own units.
        inner: markup.
    """
    return element(
        "svg",
        element("title", escape(title), id=f"{name}-title"),
        element("desc", escape(about), id=f"{name}-about"),
        *inner,
        viewBox=f"0 0 {_written(size[0])} {_written(size[1])}",
        role="img",
        aria_labelledby=f"{name}-title {name}-about",
    )


def _written(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.1f}".rstrip("0").rstrip(".")
