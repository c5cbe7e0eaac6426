"""A text taken apart into stretches of one kind each; together they are the text again.

Every look is linear, and the number of looks that may fail is bounded, so that no text takes more
than time in proportion to its length.
"""

import re
from itertools import chain
from typing import Final

import msgspec

from headrace.prompt.compress.html_text import is_html
from headrace.prompt.compress.json_text import parse, parse_at
from headrace.prompt.compress.rules import Kind
from headrace.prompt.compress.traces import has_traces

_JSON_TRIES_MAX: Final = 8
_JSON_CHARS_MIN: Final = 40
_LINES_MIN: Final = 2
_LOG_LINES_MIN: Final = 6
_CODE_SHARE: Final = 0.2
_NUMBERED_SHARE: Final = 0.5
_LOG_SHARE: Final = 0.5
_FENCE: Final = re.compile(r" {0,3}(`{3,}+|~{3,}+)([^\n]*)")
_FILLED_LINE: Final = re.compile(r"\n[ \t\r]*+(?=[^\s])")
_FOLDED: Final = re.compile(r"(?:^|\n)(?:@rows\d+, \d+ rows as CSV|@like, \d+ lines: )")
_JSON_START: Final = re.compile(r"\n[ \t]*+(?=[\[{])")
_JSON_FIRST: Final = re.compile(r"[ \t]*+(?=[\[{])")
# Each looks at a whole text with a line end at both of its ends, for a search for a letter is
# faster than a loop over lines.
_CODE_ENDS: Final = ("{\n", ";\n", "\\\n", "=>\n", "):\n")
_CODE_START: Final = re.compile(
    r"\n[ \t]*+(?:</?\w|[}\])]++[;,)]*+(?=\n)|#!|#include|#define|diff --git|@@ |[+-]{3} "
    r"|from \S++ import\b"
    r"|(?:def|class|import|export|return|elif|else:|except|while|for|if|with|async|await|public"
    r"|private|protected|static|const|let|var|function|fn|func|package|struct|enum|impl|assert"
    r"|raise|throw|try|SELECT|INSERT|CREATE|ALTER)\b[^\n]*[({:;](?=\n)"
    r"|[\w.]++(?:\[[^\]\n]*+\])? [-+*/]?= |[\w.]++\([^\n]*\)(?=\n))"
)
_NUMBERED: Final = re.compile(r"\n[ \t]*+\d++(?:\t|→|\||:)")
_LOG_LINE: Final = re.compile(
    r"\n[ \t]*+(?:\W{0,2}(?:\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d"
    r"|\d{1,3}(?:\.\d{1,3}){3} |\d++ (?:verbose|silly|info|http|warn|error)\b)"
    r"|npm |[^\s=]{0,9}\blevel=|\[ *\d++\.\d++\])"
)
_LOG_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "FATAL", "CRITICAL")


class Segment(msgspec.Struct, frozen=True):
    """A stretch of text of one kind."""

    kind: Kind
    text: str


def split(text: str) -> list[Segment]:
    """The stretches of `text`, in order."""
    if ("@rows" in text or "@like" in text) and _FOLDED.search(text):
        return [Segment("folded", text)]
    if is_html(text):
        return [Segment("html", text)]
    whole = _whole(text)
    if whole is not None:
        return [Segment(whole, text)]
    found: list[Segment] = []
    for part, is_fenced in _fenced(text):
        if is_fenced:
            found.append(Segment("code", part))
        else:
            found += _plain(part)
    return found


def _whole(text: str) -> Kind | None:
    """`json` or `lines` where all of `text` is that, `code` where it only looks like it."""
    inner = text.strip()
    if inner[:1] not in ("{", "[") or inner[-1:] not in ("}", "]"):
        return None
    if parse(inner) is not None:
        return "json"
    lines = [line for line in inner.split("\n") if line.strip()]
    if len(lines) >= _LINES_MIN and all(line.lstrip()[:1] in ("{", "[") for line in lines):
        return "lines" if all(parse(line) is not None for line in lines) else "code"
    return "code" if inner[0] == "{" else None


def _fenced(text: str) -> list[tuple[str, bool]]:
    """Fenced code, its fences included, and what is outside, in turn.

    A fence that is never closed goes on to the end, as in CommonMark.
    """
    if "```" not in text and "~~~" not in text:
        return [(text, False)]
    parts: list[tuple[list[str], bool]] = [([], False)]
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if not fence and found is not None and "`" not in found[2]:
            fence = found[1]
            parts.append(([line], True))
            continue
        parts[-1][0].append(line)
        if fence and found is not None and found[1].startswith(fence) and not found[2].strip():
            fence = ""
            parts.append(([], False))
    return [("".join(lines), is_fenced) for lines, is_fenced in parts if lines]


def _plain(text: str) -> list[Segment]:
    """JSON that begins at the beginning of a line, and what is around it."""
    found: list[Segment] = []
    at, tries = 0, 0
    first = _JSON_FIRST.match(text)
    for match in chain((first,) if first else (), _JSON_START.finditer(text)):
        start = match.end()
        if start < at:
            continue
        if tries == _JSON_TRIES_MAX:
            break
        tries += 1
        value = parse_at(text, start)
        if value is None or value[1] - start < _JSON_CHARS_MIN:
            continue
        if start > at:
            found.append(_judged(text[at:start]))
        at = value[1]
        found.append(Segment("json", text[start:at]))
    if at < len(text):
        found.append(_judged(text[at:]))
    return found


def _judged(text: str) -> Segment:
    """What text that is neither fenced nor JSON looks like, by its lines."""
    framed = f"\n{text}\n"
    lines = len(_FILLED_LINE.findall(framed))
    if not lines:
        return Segment("code", text)
    if has_traces(text) or _is_log(framed, lines):
        return Segment("log", text)
    return Segment("code" if _is_code(framed, lines) else "prose", text)


def _is_log(framed: str, lines: int) -> bool:
    if lines < _LOG_LINES_MIN:
        return False
    signs = max(len(_LOG_LINE.findall(framed)), sum(map(framed.count, _LOG_LEVELS)))
    return signs >= _LOG_SHARE * lines


def _is_code(framed: str, lines: int) -> bool:
    """A line that begins and ends like code counts twice, for both are signs."""
    signs = len(_CODE_START.findall(framed)) + sum(map(framed.count, _CODE_ENDS))
    if signs >= _CODE_SHARE * lines:
        return True
    return len(_NUMBERED.findall(framed)) >= _NUMBERED_SHARE * lines
