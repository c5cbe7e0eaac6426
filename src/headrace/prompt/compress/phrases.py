"""Long ways of saying things, said shorter: only where that saves tokens, and never inside quotes.

The table is made and checked by scripts/build_phrases.py.
"""

from collections.abc import Iterator
from typing import Final

from headrace.prompt.compress.phrase_table import PHRASES
from headrace.prompt.compress.protected import spans

_INNER: Final = frozenset(word for phrase, _, _ in PHRASES for word in phrase.split()[1:-1])
# Longer ones first, for some begin like others; each with words that have to stand by themselves:
# those between the first and the last, which may have a bracket or a comma at them.
_ORDERED: Final = tuple(
    (phrase, short, frozenset(phrase.split()[1:-1]))
    for phrase, short, _ in sorted(PHRASES, key=lambda row: -len(row[0]))
)


def shorten(text: str) -> str:
    """The same text with every phrase of the table that is outside of quotes, code and addresses.

    Only phrases in lower case, or with a capital at their beginning, which their replacement gets.
    """
    lower = text.lower()
    if len(lower) != len(text):
        return text  # some letter is two in lower case, and places would not fit
    words = _INNER.intersection(lower.split())
    taken: list[tuple[int, int, str]] = []
    for phrase, short, needed in _ORDERED:
        if needed <= words and phrase in lower:
            taken += _places(text, lower, phrase, short)
    if not taken:
        return text
    return _replaced(text, sorted(taken, key=lambda place: (place[0], -place[1])))


def _places(text: str, lower: str, phrase: str, short: str) -> Iterator[tuple[int, int, str]]:
    """Where a phrase stands by itself, and what would be written there."""
    at = lower.find(phrase)
    while at >= 0:
        end = at + len(phrase)
        is_apart = not _joins(text[at - 1 : at]) and not _joins(text[end : end + 1])
        if is_apart and text[at + 1 : end] == phrase[1:]:
            is_upper = text[at] != phrase[0]
            yield at, end, short[0].upper() + short[1:] if is_upper else short
        at = lower.find(phrase, end)


def _joins(char: str) -> bool:
    return char.isalnum() or (char != "" and char in "_-'’/\\@#")


def _replaced(text: str, places: list[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    at = number = 0
    kept = spans(text)
    for start, end, short in places:
        while number < len(kept) and kept[number][1] <= start:
            number += 1
        is_protected = number < len(kept) and kept[number][0] < end
        if start >= at and not is_protected:
            pieces += (text[at:start], short)
            at = end
    return "".join([*pieces, text[at:]])
