"""Paragraphs and lines of prose that say again what stands above, word for word.

Two are the same when they differ in case, spacing and the stops behind words at most: numbers,
names, negations and signs are words, so none is lost. A mark stands where something was left out.
"""

import re
from collections import Counter
from itertools import groupby
from typing import Final

MARK: Final = "[as above]"
PARAGRAPH_CHARS_MIN: Final = 60
LINE_WORDS_MIN: Final = 8
_BEGINNING_CHARS: Final = 48
_BEGINNING_LETTERS: Final = 16
_FEW: Final = " "  # how all lines begin that have hardly any letters

_WORD_STOPS: Final = ".,;:"
_ITEM: Final = re.compile(r"\s*(?:[-*•]|\d+[.)])\s")
_STOPS: Final = (".", "!", "?", ":", ";")
_CODE_ENDS: Final = ("{", "}", ";", "=", "|")
_CODE_BEGINNINGS: Final = ("    ", "\t")


def without_paragraphs(text: str) -> str:
    """Each paragraph once."""
    pieces = _split_paragraphs(text)
    begun = [_beginning(piece) for piece in pieces]
    beginnings = Counter(filter(None, begun))
    if MARK not in text and len(beginnings) == beginnings.total():
        return text  # no two begin alike
    seen: set[tuple[str, ...]] = set()
    kept: list[str] = []
    for piece, beginning in zip(pieces, begun, strict=True):
        words = _words(piece) if beginnings[beginning] > 1 else ()
        if words and words in seen:
            kept.append(MARK + piece[len(piece.rstrip()) :])
        else:
            seen.add(words)
            kept.append(piece)
    return _marks_merged(kept)


def _beginning(piece: str) -> str:
    """Letters that are the same where the words are; empty for what is no paragraph to compare."""
    if len(piece) < PARAGRAPH_CHARS_MIN or _is_code(piece):
        return ""
    return _first_letters(piece)


def _first_letters(piece: str) -> str:
    letters = "".join(filter(str.isalnum, piece[:_BEGINNING_CHARS].lower()))
    return letters[:_BEGINNING_LETTERS] if len(letters) >= _BEGINNING_LETTERS else ""


def without_lines(text: str) -> str:
    """Each line once, where a line stands for itself: items of lists and whole sentences."""
    lines = text.split("\n")
    begun = [(_first_letters(line) or _FEW) if _stands_alone(line) else "" for line in lines]
    beginnings = Counter(filter(None, begun))
    if len(beginnings) == beginnings.total():
        return text  # no two begin alike
    seen: set[tuple[str, ...]] = set()
    kept: list[str] = []
    for line, beginning in zip(lines, begun, strict=True):
        words = _words(line) if beginnings[beginning] > 1 else ()
        if len(words) >= LINE_WORDS_MIN and words in seen:
            if not kept or kept[-1] != MARK:
                kept.append(MARK)
            continue
        if words:
            seen.add(words)
        kept.append(line)
    return "\n".join(kept)


def _stands_alone(line: str) -> bool:
    if line.count(" ") < LINE_WORDS_MIN - 1 or _is_code(line):
        return False
    return line.rstrip().endswith(_STOPS) or _ITEM.match(line) is not None


def _is_code(line: str) -> bool:
    return line.startswith(_CODE_BEGINNINGS) or line.rstrip().endswith(_CODE_ENDS)


def _words(text: str) -> tuple[str, ...]:
    stripped = (word.rstrip(_WORD_STOPS) for word in text.lower().split())
    return tuple(filter(None, stripped))


def _split_paragraphs(text: str) -> list[str]:
    """Paragraphs and the blank lines between them, in turn."""
    return ["".join(lines) for _, lines in groupby(text.splitlines(keepends=True), str.isspace)]


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
