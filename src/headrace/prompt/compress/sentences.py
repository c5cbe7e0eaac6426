"""Those sentences of a long text that have most to do with a question: BM25, nothing learned.

Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), with k1 = 1.2 and b = 0.75.
Sentences are kept whole and in order; a mark stands where some were left out. A text that shares
no word with the question is left as it is: there is nothing to choose by.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

MARK: Final = "[…]"
CHARS_MIN: Final = 1200
_SENTENCES_MIN: Final = 6
_K1: Final = 1.2
_B: Final = 0.75
_FIRST_BONUS: Final = 0.15
_BREAK: Final = re.compile(r"(?<=[.!?])[ \t]+(?=[A-Z0-9\"'(“])|\n+")
_TERM: Final = re.compile(r"\w+")
_TERM_CHARS_MIN: Final = 3
# Words that tell nothing of what a text is about; no negation and no number is among them.
_COMMON: Final = frozenset(
    ("the", "and", "for", "that", "this", "with", "are", "was", "were", "from", "have", "has",
     "had", "you", "your", "its", "they", "their", "them", "these", "those", "then", "than",
     "there", "here", "which", "what", "who", "how", "why", "when", "where", "can", "could",
     "would", "should", "will", "shall", "may", "might", "must", "does", "did", "been", "being",
     "into", "about", "also", "such", "some", "please", "tell")
)  # fmt: skip


def terms(text: str) -> tuple[str, ...]:
    """The words of a question that tell what it is about; each once, in order."""
    found = (word for word in _TERM.findall(text.lower()) if len(word) >= _TERM_CHARS_MIN)
    return tuple(dict.fromkeys(word[:24] for word in found if word not in _COMMON))


def select(text: str, query: Sequence[str], keep_share: float) -> str:
    """The sentences of `text` that fit `query` best, up to a share of its length.

    Args:
        text: prose; short texts, and those that were cut before, come back as they are.
        query: what `terms` gives for the question.
        keep_share: largest share of characters to keep, above 0.
    """
    if len(text) < CHARS_MIN or MARK in text or not query:
        return text
    pieces = _pieces(text)
    if len(pieces) < _SENTENCES_MIN:
        return text
    scores = _scores(pieces, query)
    if not any(scores):
        return text
    best = max(scores)
    ranked = sorted(range(len(pieces)), key=lambda at: (-_rank(pieces, scores, best, at), at))
    room = int(len(text) * keep_share)
    kept: set[int] = set()
    for at in ranked:
        if len(pieces[at][0]) <= room:
            kept.add(at)
            room -= len(pieces[at][0])
    return _joined(pieces, kept)


Piece = tuple[str, str]
"""A sentence, and the white space behind it."""


def _pieces(text: str) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for match in _BREAK.finditer(text):
        pieces.append((text[at : match.start()], match[0]))
        at = match.end()
    pieces.append((text[at:], ""))
    return pieces


def _scores(pieces: Sequence[Piece], query: Sequence[str]) -> list[float]:
    wanted = frozenset(query)
    counts = [Counter(_matched(sentence, wanted)) for sentence, _ in pieces]
    lengths = [len(sentence) for sentence, _ in pieces]
    mean = sum(lengths) / len(lengths) or 1.0
    found_in = Counter(term for count in counts for term in count)
    weights = {
        term: math.log(1 + (len(pieces) - n + 0.5) / (n + 0.5)) for term, n in found_in.items()
    }
    return [
        sum(
            weights[term] * n * (_K1 + 1) / (n + _K1 * (1 - _B + _B * length / mean))
            for term, n in count.items()
        )
        for count, length in zip(counts, lengths, strict=True)
    ]


def _matched(sentence: str, wanted: frozenset[str]) -> list[str]:
    return [word for word in _TERM.findall(sentence.lower()) if word in wanted]


def _rank(pieces: Sequence[Piece], scores: Sequence[float], best: float, at: int) -> float:
    """The score of a sentence; the first of a paragraph tells what that is about."""
    is_first = at == 0 or "\n\n" in pieces[at - 1][1]
    return scores[at] + (_FIRST_BONUS * best if is_first else 0.0)


def _joined(pieces: Sequence[Piece], kept: set[int]) -> str:
    out: list[str] = []
    is_gap = False
    for at, (sentence, behind) in enumerate(pieces):
        if at in kept:
            out += (sentence, behind)
            is_gap = False
        elif not is_gap:
            out.append(f"{MARK}\n" if "\n" in behind else f"{MARK} ")
            is_gap = True
    return "".join(out).rstrip(" \n")
