"""A text taken apart into stretches of one kind each; together they are the text again.

Every look is linear, and the number of looks that may fail is bounded, so that no text takes more
than time in proportion to its length.
"""

import re
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
_FOLDED: Final = re.compile(r"(?:^|\n)(?:@rows\d+, \d+ rows as CSV|@like, \d+ lines: )")
_JSON_START: Final = re.compile(r"(?:^|\n)[ \t]*(?=[\[{])")
_CODE_END: Final = re.compile(r"(?:[;{\\]|=>|\):|->[^:]*:)$")
_CODE_START: Final = re.compile(
    r"</?\w|[}\])]+[;,)]*$|#!|#include|#define|diff --git|@@ |[+-]{3} |from \S+ import\b"
    r"|(?:def|class|import|export|return|elif|else:|except|while|for|if|with|async|await|public"
    r"|private|protected|static|const|let|var|function|fn|func|package|struct|enum|impl|assert"
    r"|raise|throw|try|SELECT|INSERT|CREATE|ALTER)\b.*[({:;]$"
    r"|[\w.]+(?:\[[^\]]*\])? [-+*/]?= |[\w.]+\(.*\)$"
)
_NUMBERED: Final = re.compile(r"\d+(?:\t|→|\||: ? ?)")
_LOG_START: Final = re.compile(
    r"\W{0,2}(?:\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d"
    r"|\d{1,3}(?:\.\d{1,3}){3} |\d+ (?:verbose|silly|info|http|warn|error)\b)"
    r"|\S*(?:npm|level=|\[\d+\.\d+\])"
)
_LOG_LEVEL: Final = re.compile(r"\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|ERROR|FATAL|CRITICAL)")
_LEVEL_CHARS: Final = 60


class Segment(msgspec.Struct, frozen=True):
    """A stretch of text of one kind."""

    kind: Kind
    text: str


def split(text: str) -> list[Segment]:
    """The stretches of `text`, in order."""
    if _FOLDED.search(text):
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
    for match in _JSON_START.finditer(text):
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
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    if not lines:
        return Segment("code", text)
    if has_traces(text) or _is_log(lines):
        return Segment("log", text)
    return Segment("code" if _is_code(lines) else "prose", text)


def _is_log(lines: list[str]) -> bool:
    if len(lines) < _LOG_LINES_MIN:
        return False
    others = 0
    for line in lines:
        if not (_LOG_START.match(line) or _LOG_LEVEL.search(line, 0, _LEVEL_CHARS)):
            others += 1
            if others > len(lines) * (1 - _LOG_SHARE):
                return False
    return True


def _is_code(lines: list[str]) -> bool:
    coded = numbered = 0
    for line in lines:
        if _NUMBERED.match(line):
            numbered += 1
        elif _CODE_START.match(line) or _CODE_END.search(line[-40:]):
            coded += 1
    return coded >= _CODE_SHARE * len(lines) or numbered >= _NUMBERED_SHARE * len(lines)
