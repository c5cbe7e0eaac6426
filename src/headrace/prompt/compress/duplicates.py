"""Paragraphs and lines of prose that say again what stands above, word for word.

Two are the same when they differ in case, spacing and punctuation at most: numbers, names and
negations are words, so none is lost. A mark stands where something was left out.
"""

import re
from typing import Final

MARK: Final = "[as above]"
PARAGRAPH_CHARS_MIN: Final = 60
LINE_WORDS_MIN: Final = 8

_WORD: Final = re.compile(r"[\w%$€£+#/=<>*-]+")
_WHOLE_LINE: Final = re.compile(r"\s*(?:[-*•]|\d+[.)])\s|.*[.!?:;]\s*$")
_CODE_LINE: Final = re.compile(r"(?: {4}|\t)|.*[{};=|]\s*$")


def without_paragraphs(text: str) -> str:
    """Each paragraph once."""
    pieces = _split_paragraphs(text)
    seen: set[tuple[str, ...]] = set()
    kept: list[str] = []
    for piece in pieces:
        is_blank = not piece.strip()
        words = () if is_blank or len(piece) < PARAGRAPH_CHARS_MIN else _words(piece)
        if not words or _CODE_LINE.match(piece):
            kept.append(piece)
        elif words in seen:
            kept.append(MARK + piece[len(piece.rstrip()) :])
        else:
            seen.add(words)
            kept.append(piece)
    return _marks_merged(kept)


def without_lines(text: str) -> str:
    """Each line once, where a line stands for itself: items of lists and whole sentences."""
    seen: set[tuple[str, ...]] = set()
    kept: list[str] = []
    for line in text.split("\n"):
        words = _words(line) if _stands_alone(line) else ()
        if len(words) >= LINE_WORDS_MIN and words in seen:
            if not kept or kept[-1] != MARK:
                kept.append(MARK)
            continue
        seen.add(words)
        kept.append(line)
    return "\n".join(kept)


def _stands_alone(line: str) -> bool:
    return (
        line.count(" ") >= LINE_WORDS_MIN - 1
        and not _CODE_LINE.match(line)
        and _WHOLE_LINE.match(line) is not None
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def _split_paragraphs(text: str) -> list[str]:
    """Paragraphs and the blank lines between them, in turn."""
    pieces: list[str] = [""]
    for line in text.splitlines(keepends=True):
        is_blank = not line.strip()
        if is_blank != (not pieces[-1].strip()):
            pieces.append("")
        pieces[-1] += line
    return pieces


def _marks_merged(pieces: list[str]) -> str:
    """The pieces as one text; of marks that follow each other the first one stays."""
    kept: list[str] = []
    is_behind_mark = False
    for piece in pieces:
        is_mark = piece.rstrip() == MARK
        if is_mark and is_behind_mark:
            kept.pop()
            continue
        kept.append(piece)
        if piece.strip():
            is_behind_mark = is_mark
    return "".join(kept)
