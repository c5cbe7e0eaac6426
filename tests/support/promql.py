"""What a PromQL expression names: its series, with the labels that it picks them by.

It reads what the exported rules and panels are written in, and no more; whatever it does not know
it takes for a series, so that a mistake is found and not passed over.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_WORDS: Final = frozenset(
    (
        *("absent", "and", "avg", "by", "histogram_quantile", "increase", "label_values", "max"),
        *("max_over_time", "min", "min_over_time", "offset", "on", "or", "rate", "sum", "topk"),
        *("unless", "vector"),
    )
)
_STRING: Final = re.compile(r'"[^"]*"')
_RANGE: Final = re.compile(r"\[[^\]]*\]|\boffset \w+")
_LISTS: Final = re.compile(r"\b(?:by|on) \([a-z_, ]*\)")
_NAME: Final = re.compile(r"([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


class Named(NamedTuple):
    """A series that an expression reads, and its matchers as label, operator and value."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]


def named(expr: str) -> Iterator[Named]:
    """Every series that `expr` reads."""
    bare = _LISTS.sub("", _RANGE.sub("", expr))
    for found in _NAME.finditer(bare):
        name, braces = found.groups()
        if name in _WORDS:
            continue
        yield Named(name, tuple(_MATCHER.findall(braces or "")))


def listed(expr: str) -> Iterator[str]:
    """Every label that `expr` sums or joins by."""
    for found in _LISTS.findall(expr):
        yield from re.findall(r"[a-z_]+", found.partition("(")[2])
