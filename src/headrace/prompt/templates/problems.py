"""What is wrong with files of templates, and where."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

import msgspec

from headrace.errors import SettingsInvalid

_TOLD_MAX: Final = 20


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing wrong with a file; lines count from 1, and 0 is the file as a whole."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.message}"


class Unusable(Exception):
    """A text cannot be used.

    Args:
        message: what is wrong and what to do.
        line: where, from 1.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def invalid(problems: Iterable[Problem]) -> SettingsInvalid:
    """The refusal of a set of templates, a line for each problem."""
    lines = [str(problem) for problem in sorted(problems)]
    if len(lines) > _TOLD_MAX:
        lines[_TOLD_MAX:] = [f"... and {len(lines) - _TOLD_MAX} more"]
    return SettingsInvalid("\n".join(lines))


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean x?` where there is something near, otherwise what there is."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    if not names:
        return ""
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"; there are {listed}" if len(names) > 1 else f"; there is {listed}"
