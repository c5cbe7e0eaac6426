"""What the YAML parser trips over, in words that say what to do about it.

No message repeats the text of the file, which may be a credential.
"""

import re
from collections.abc import Mapping
from typing import Final

import yaml

from headrace.settings import references

Explained = tuple[yaml.Mark | None, str]

_BEGINNINGS: Final[Mapping[str, str]] = {
    "mapping values are not allowed": (
        "a colon that cannot make a key here: put quotes around a text that holds one, give every "
        "key a colon and a space, and indent this line and the one above it alike"
    ),
    "could not find expected ':'": (
        "a line that is no key with a value: write it as `key: value`, or put quotes around a "
        "text that goes on over lines"
    ),
    "expected <block end>": (
        "this does not go on from the lines above: indent it as they are, and look for a missing "
        "colon, quote or bracket there"
    ),
    "found character": "a text cannot begin with this character: put quotes around the text",
    "found unknown escape": (
        "a backslash in double quotes begins an escape: write two, or use single quotes"
    ),
    "found undefined alias": (
        "an alias, which begins with *, of nothing above it: put quotes around it if it is a text"
    ),
}
_OPEN: Final = re.compile(r"expected ',' or '([]}])'")
_OPENED_BY: Final[Mapping[str, str]] = {"]": "[", "}": "{"}


def explained(error: yaml.MarkedYAMLError, text: str) -> Explained:
    """Where the mistake is, as far as that can be told, and what it is.

    Args:
        error: what the parser said.
        text: what it read.
    """
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "cannot be read"
    if problem.startswith("found character '\\t'"):
        return mark, _tab(mark, text)
    if error.context == "while scanning a quoted scalar":
        message = "the quote that opens here is never closed: put the same quote behind the text"
        return error.context_mark, message
    if isinstance(error, yaml.parser.ParserError) and mark is not None:
        misquoted = _misquoted(mark, text)
        if misquoted is not None:
            return misquoted
    bracket = _OPEN.match(problem)
    if bracket and error.context_mark:
        opening = f"{_OPENED_BY[bracket[1]]} of line {error.context_mark.line + 1}"
        return mark, f"expected a comma or {bracket[1]} here, since the {opening} is still open"
    for beginning, message in _BEGINNINGS.items():
        if problem.startswith(beginning):
            return mark, message
    shown = re.sub(r""" (?:'[^'<]{2,}'|"[^"]{2,}")""", "", problem)
    return mark, f"not valid YAML: {references.unmask(shown)}"


def _tab(mark: yaml.Mark | None, text: str) -> str:
    before = "" if mark is None else text[mark.index - mark.column : mark.index]
    if before.strip():
        return "a tab, where YAML wants a space: put a space in its place"
    return "this line is indented with a tab, which YAML does not allow: put spaces in its place"


def _misquoted(mark: yaml.Mark, text: str) -> Explained | None:
    """What is wrong with the quotes on the line where things went wrong, if that is it."""
    before: yaml.Token | None = None
    for token in yaml.scan(text, Loader=yaml.SafeLoader):  # got as far as `mark` already
        if token.start_mark.index >= mark.index:
            break
        before = token
        if _is_quoted(token) and token.start_mark.line < token.end_mark.line == mark.line:
            return token.start_mark, (
                f"the quote that opens here is closed on line {mark.line + 1} only: put the same "
                "quote where the text ends"
            )
    if before is None or not _is_quoted(before) or before.end_mark.line != mark.line:
        return None
    return mark, (
        "the text is over where its quote closes: put all of it between quotes, and write a quote "
        "that belongs to it as '' in single and as \\\" in double quotes"
    )


def _is_quoted(token: yaml.Token) -> bool:
    return isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
