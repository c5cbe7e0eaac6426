"""Filters that could make much of little, each in a form that has a bound."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from headrace.prompt.templates.bounds import OUTPUT_CHARS_MAX
from headrace.prompt.templates.lexer import NUMBER_FILTER
from headrace.prompt.templates.problems import Unusable

_INDENT_MAX: Final = 100


class Budget(threading.local):
    """Characters that the rendering under way in this thread may still write, and make."""

    to_write = 0
    to_make = 0

    def begin(self) -> None:
        """Begin a rendering."""
        self.to_write = self.to_make = OUTPUT_CHARS_MAX

    def write(self, chars: int) -> None:
        """Take from what may be written.

        Raises:
            Unusable: it is above the bound.
        """
        self.to_write -= chars
        if self.to_write < 0:
            raise Unusable(f"it writes above {OUTPUT_CHARS_MAX} characters")

    def make(self, chars: int, name: str) -> None:
        """Take from what filters may make on the way, most of which is held at once.

        Raises:
            Unusable: it is above the bound.
        """
        self.to_make -= chars
        if self.to_make < 0:
            raise Unusable(f"{name} makes above {OUTPUT_CHARS_MAX} characters")


class Filters:
    """The filters of one set of templates.

    Args:
        budget: what they take from; renderings that use them begin with it.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def by_name(self) -> Mapping[str, Callable[..., Any]]:
        """The filters, as templates call them."""
        return {
            "indent": self._indent,
            "join": self._join,
            "replace": self._replace,
            "tojson": self._tojson,
            "truncate": _truncate,
            NUMBER_FILTER: _number,
        }

    def _join(self, values: Iterable[Any], between: str = "", attribute: str | None = None) -> str:
        if isinstance(values, str):
            values = list(values)
        texts = [_printed(each if attribute is None else each[attribute]) for each in values]
        self._budget.make(len(between) * len(texts) + sum(map(len, texts)), "join")
        return between.join(texts)

    def _replace(self, text: str, old: str, new: str) -> str:
        text, old, new = str(text), str(old), str(new)
        chars = len(text) + (text.count(old) * len(new) if new else 0)
        self._budget.make(chars, "replace")
        return text.replace(old, new)

    def _indent(self, text: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
        if not 0 <= width <= _INDENT_MAX:
            raise Unusable(f"indent takes 0 to {_INDENT_MAX}")
        lines = text.split("\n")
        pad = " " * width
        self._budget.make(len(text) + len(lines) * width, "indent")
        padded = [pad + line if line or blank else line for line in lines]
        return "\n".join(padded if first else [lines[0], *padded[1:]])

    def _tojson(self, value: Any, indent: int = 0) -> str:
        encoded = msgspec.json.encode(value)
        self._budget.make(len(encoded), "tojson")
        formatted = msgspec.json.format(encoded, indent=max(0, min(indent, 8)))
        self._budget.make(len(formatted) - len(encoded), "tojson")
        return formatted.decode()


def _printed(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        raise Unusable("join takes texts and numbers; write x|map(attribute='name')|join(', ')")
    return value if isinstance(value, str) else "" if value is None else str(value)


def _truncate(text: str, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    if len(text) <= length:
        return text
    cut = text[: max(0, length - len(end))]
    return (cut if killwords else cut.rpartition(" ")[0] or cut) + end


def _number(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise Unusable("* takes numbers, and texts that are written out, such as '-' * 40")
    return value
