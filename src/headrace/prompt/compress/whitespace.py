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
    lines = text
    if " \n" in text or "\t\n" in text or text.endswith((" ", "\t")):
        lines = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return _BLANK_LINES.sub("\n\n", lines) if "\n\n\n" in lines else lines


def tidy(text: str) -> str:
    """As `trim`; padding between words is left out too, and wrapped paragraphs become one line."""
    return unwrap(_without_paddings(trim(text)))


def _without_paddings(text: str) -> str:
    """Line by line, but for those without any, which are most."""
    pieces: list[str] = []
    at = 0
    padded = _PADDED.search(text)
    while padded is not None:
        start = max(at, text.rfind("\n", at, padded.start()) + 1)
        end = text.find("\n", padded.end())
        end = end if end >= 0 else len(text)
        pieces += (text[at:start], _without_padding(text[start:end]))
        at = end
        padded = _PADDED.search(text, end)
    return "".join([*pieces, text[at:]])


def _without_padding(line: str) -> str:
    padded = line.lstrip(" ")
    if _COLUMNS_OR_CODE.search(padded):
        return line
    body = _AFTER_STOP.sub(" ", padded)
    if body.count(" ") >= _WORDS_MIN:
        body = _PADDING.sub(" ", body)
    if len(body) == len(padded) or leaves_open(line) or span_texts(line) != span_texts(body):
        return line
    return line[: len(line) - len(padded)] + body


def unwrap(text: str) -> str:
    """Paragraphs that were broken into lines of a width, as one line each.

    Only where every line but the last is long, all are indented alike and all look like prose:
    lists, verse, columns, addresses and quotes of several lines stay as they are.
    """
    lines: list[str] = []
    paragraph: list[str] = []
    indent, is_open = 0, False
    for line in text.split("\n"):
        is_long = len(line) >= _WRAPPED_CHARS_MIN
        found = _PROSE_LINE.fullmatch(line) if is_long or is_open else None
        if paragraph and not (is_open and found is not None and _goes_on(line, found, indent)):
            lines += _joined(paragraph)
            paragraph = []
        if paragraph:
            paragraph.append(line)
        elif is_long and found is not None:
            paragraph, indent = [line], found.end(1)
        else:
            lines.append(line)
        is_open = bool(paragraph) and is_long and not line.endswith(":")
    return "\n".join(lines + _joined(paragraph))


def _goes_on(line: str, found: re.Match[str], indent: int) -> bool:
    """Whether `line` is the next one of a paragraph."""
    if found.end(1) != indent or "  " in line[indent:].rstrip(" "):
        return False
    return _PROSE_START.match(line, indent) is not None


def _joined(paragraph: list[str]) -> list[str]:
    if len(paragraph) < _WRAPPED_LINES_MIN or any(map(leaves_open, paragraph)):
        return paragraph
    return [" ".join([paragraph[0], *[line.strip(" ") for line in paragraph[1:]]])]
