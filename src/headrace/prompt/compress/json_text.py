"""JSON texts made shorter without changing a value: no white space, no needless escapes.

What is written is what was read, token by token, so numbers keep their spelling, names that stand
twice stand twice, and integers of any size pass.
"""

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

_PIECE: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"|[ \t\n\r]++', re.DOTALL)
_PAIR: Final = r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
_ESCAPE: Final = re.compile(rf"{_PAIR}|\\u([0-9a-fA-F]{{4}})|\\(.)", re.DOTALL)


class Spelled(str):
    """A number or constant by its letters, which no text equals."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spelled) and str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


class Members(tuple[tuple[str, Any], ...]):
    """The members of an object in order, names that stand twice included; no array equals it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Members) and tuple.__eq__(self, other)

    def __hash__(self) -> int:
        return tuple.__hash__(self)


_DECODER: Final = JSONDecoder(
    object_pairs_hook=Members, parse_int=Spelled, parse_float=Spelled, parse_constant=Spelled
)


def parse(text: str) -> tuple[Any] | None:
    """The value of a JSON text in a tuple, with nothing of its spelling lost; `None` if it is none.

    Linear in the length. What nests deeper than the interpreter's stack is taken for no JSON.
    """
    try:
        return (_DECODER.decode(text),)
    except (JSONDecodeError, RecursionError):
        return None


def parse_at(text: str, start: int) -> tuple[Any, int] | None:
    """The JSON value that begins at `start` and the place behind it; `None` where there is none."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (JSONDecodeError, RecursionError):
        return None
    return value, end


def is_equal(before: str, after: str) -> bool:
    """Whether two texts hold the same value: order of members and spelling of numbers included."""
    try:
        first, second = parse(before), parse(after)
        return first is not None and first == second
    except RecursionError:
        return False


def minify(text: str) -> str:
    """The same JSON in fewer characters.

    Args:
        text: valid JSON.
    """
    return _PIECE.sub(_shorter, text)


def minify_lines(text: str) -> str:
    """The same for JSON values that stand one to a line."""
    return "\n".join(minify(line) for line in text.split("\n") if line.strip())


def _shorter(match: re.Match[str]) -> str:
    inside = match[1]
    if inside is None:
        return ""
    return f'"{_ESCAPE.sub(_plain, inside)}"' if "\\" in inside else match[0]


def _plain(match: re.Match[str]) -> str:
    """The character an escape stands for, where JSON allows it and people can see it."""
    high, low, single, other = match.groups()
    if high is not None:
        found = chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    elif single is not None:
        found = chr(int(single, 16))
    else:
        return "/" if other == "/" else match[0]
    return found if found.isprintable() and found not in '"\\' else match[0]
