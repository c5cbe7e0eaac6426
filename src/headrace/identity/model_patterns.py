"""Which models a key may ask for: names, and names with `*` in them. Pure."""

from collections.abc import Iterable
from typing import Final

_ANY: Final = "*"


def allows(patterns: Iterable[str], model: str) -> bool:
    """Whether one of several patterns is of a model's name."""
    return any(matches(pattern, model) for pattern in patterns)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern is of a name; `*` stands for any characters, or none.

    Each part between two `*` is looked for where it comes first, so that a look takes no longer
    than the product of the two lengths, whatever they hold.
    """
    first, *rest = pattern.split(_ANY)
    if not rest:
        return pattern == name
    *middle, last = rest
    if not name.startswith(first) or len(name) < len(first) + len(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return name.endswith(last)
