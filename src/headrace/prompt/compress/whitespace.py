"""White space that says nothing: ends of lines, rows of blank lines, padding, wrapped prose.

What is quoted keeps its padding and its lines; only ends of lines and blank lines go there too.
"""

import re
from typing import Final

from headrace.prompt.compress.protected import leaves_open, span_texts

_PADDED: Final = re.compile(r"\S  ")
_BLANK_LINES: Final = re.compile(r"\n{3,}+")
_AFTER_STOP: Final = re.compile(r"(?<=[A-Za-z)\"'][.!?:;,])  ++(?=\S)")
_PADDING: Final = re.compile(r"(?<=[a-z,]) {2,3}+(?=[A-Za-z(])")
_COLUMNS_OR_CODE: Final = re.compile(r"\S(?: {4}|\t)|[#={}<>|\\$]|//|;$")
_PROSE_LINE: Final = re.compile(r"( *)[A-Za-z(\"'`“‘][^|\t]*[A-Za-z0-9,.;:!?)\"'`’”-]")
_PROSE_START: Final = re.compile(r"[a-z(\"'`“‘]|[A-Z][a-z]|[AI] |[A-Z]+ ")
_WRAPPED_CHARS_MIN: Final = 50
_WORDS_MIN: Final = 6
_WRAPPED_LINES_MIN: Final = 3


def trim(text: str) -> str:
    """No white space at the ends of lines, and no more than one blank line in a row."""
    lines = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return _BLANK_LINES.sub("\n\n", lines) if "\n\n\n" in lines else lines


def tidy(text: str) -> str:
    """As `trim`; padding between words is left out too, and wrapped paragraphs become one line."""
    trimmed = trim(text)
    if _PADDED.search(trimmed):
        trimmed = "\n".join([_without_padding(line) for line in trimmed.split("\n")])
    return unwrap(trimmed)


def _without_padding(line: str) -> str:
    if not _PADDED.search(line):
        return line
    body = line.lstrip(" ")
    if _COLUMNS_OR_CODE.search(body):
        return line
    body = _AFTER_STOP.sub(" ", body)
    if body.count(" ") >= _WORDS_MIN:
        body = _PADDING.sub(" ", body)
    if leaves_open(line) or span_texts(line) != span_texts(body):
        return line
    return line[: len(line) - len(line.lstrip(" "))] + body


def unwrap(text: str) -> str:
    """Paragraphs that were broken into lines of a width, as one line each.

    Only where every line but the last is long, all are indented alike and all look like prose:
    lists, verse, columns, addresses and quotes of several lines stay as they are.
    """
    lines: list[str] = []
    paragraph: list[str] = []
    for line in text.split("\n"):
        if paragraph and not _goes_on(paragraph, line):
            lines += _joined(paragraph)
            paragraph = []
        if paragraph or _may_begin(line):
            paragraph.append(line)
        else:
            lines.append(line)
    return "\n".join(lines + _joined(paragraph))


def _may_begin(line: str) -> bool:
    return len(line) >= _WRAPPED_CHARS_MIN and _PROSE_LINE.fullmatch(line) is not None


def _goes_on(paragraph: list[str], line: str) -> bool:
    """Whether `line` is the next one of the paragraph."""
    if len(paragraph[-1]) < _WRAPPED_CHARS_MIN or paragraph[-1].endswith(":"):
        return False
    found = _PROSE_LINE.fullmatch(line)
    if found is None or "  " in line.strip(" "):
        return False
    first = paragraph[0]
    indent = len(first) - len(first.lstrip(" "))
    return len(found[1]) == indent and _PROSE_START.match(line, indent) is not None


def _joined(paragraph: list[str]) -> list[str]:
    if len(paragraph) < _WRAPPED_LINES_MIN or any(map(leaves_open, paragraph)):
        return paragraph
    return [" ".join([paragraph[0], *[line.strip(" ") for line in paragraph[1:]]])]
