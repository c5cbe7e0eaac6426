"""From a text to the buckets of its words and letters: hashed n-grams, in numpy alone.

Feature hashing (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009)
needs no vocabulary: a word, two words in a row and runs of three and four letters each fall into
one of 2^15 buckets. All of it is done on the array of code points, a handful of operations a text.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKET_BITS: Final = 15
BUCKETS: Final = 1 << BUCKET_BITS
FEATURES_VERSION: Final = 1
"""Counts up with every change of what falls where: weights of another version are of no use."""

# Texts up to this length are read whole.
WHOLE_CHARS_MAX: Final = 400
# Of longer ones, the lines at both ends are, where people say what they want; what lies between is
# what they want it done with.
END_CHARS_MAX: Final = 240
# No more of a text is looked at, half of it from each end.
CHARS_MAX: Final = 4096
_HALF: Final = CHARS_MAX // 2
_SENTENCE_ENDS: Final = ".?!:"
_SENTENCE_CHARS_MIN: Final = 20
_RUN_MIN: Final = 3
_RUN_MAX: Final = 4
# What a word counts beside a run of letters, of which it has several; and two words in a row.
_WORD_COUNTS: Final = 4
_PAIR_COUNTS: Final = 2
# Sorting few numbers is cheaper than counting in all buckets.
_SORTED_MAX: Final = 2048
_FACTOR: Final = np.uint32(0x01000193)
_SPREAD: Final = np.uint32(0x9E3779B1)
_SHIFT: Final = np.uint32(32 - BUCKET_BITS)
_FOLD: Final = np.uint32(15)
_ZERO, _DIGITS, _A, _ALPHABET = np.uint32(48), np.uint32(10), np.uint32(97), np.uint32(26)
# Letters beyond ASCII, but for general punctuation and that of ideographs.
_BEYOND, _SIGNS, _SIGNS_LONG = np.uint32(0xC0), np.uint32(0x2000), np.uint32(0x70)
_WIDE_SIGNS, _WIDE_SIGNS_LONG = np.uint32(0x3000), np.uint32(5)
_APART: Final = np.uint32(0x2545F491)

Codes = NDArray[np.uint32]
Buckets = NDArray[np.intp]
Values = NDArray[np.float32]


def excerpt(text: str) -> str:
    """What is looked at of a text: all of it, or its two ends."""
    return text if len(text) <= CHARS_MAX else f"{text[:_HALF]}\n{text[-_HALF:]}"


def pieces(text: str) -> tuple[str, ...]:
    """What may say what a text wants: all of a short one; of a long one its first and last line.

    Where such a line is long itself, its sentences up to 240 characters. A question in front of ten
    pages is told by the question, which would count next to nothing among them.
    """
    text = excerpt(text).strip()
    if len(text) <= WHOLE_CHARS_MAX:
        return (text,)
    return _first_line(text[:END_CHARS_MAX]), _last_line(text[-END_CHARS_MAX:])


def _first_line(head: str) -> str:
    line, newline, _ = head.partition("\n")
    if newline:
        return line
    end = max(head.rfind(sign) for sign in _SENTENCE_ENDS)
    return head[: end + 1] if end > _SENTENCE_CHARS_MIN else head


def _last_line(tail: str) -> str:
    _, newline, line = tail.rpartition("\n")
    if newline:
        return line
    ends = [tail.find(sign, 0, len(tail) - _SENTENCE_CHARS_MIN) for sign in _SENTENCE_ENDS]
    return tail[min((end for end in ends if end >= 0), default=-1) + 1 :]


def read_features(text: str) -> tuple[Buckets, Values]:
    """The buckets of a text, each once in ascending order, and how much is in each.

    What is there often counts little more than what is there once: values are the square roots of
    counts. A text without a letter or digit has none.
    """
    codes = _letters(text)
    if len(codes) <= 1:
        return np.zeros(0, np.intp), np.zeros(0, np.float32)
    words, pairs = _words(codes)
    hashes = np.concatenate(
        (*(words,) * _WORD_COUNTS, *(pairs,) * _PAIR_COUNTS, *_runs(codes)), dtype=np.uint32
    )
    hashes ^= hashes >> _FOLD
    hashes *= _SPREAD
    hashes >>= _SHIFT
    if len(hashes) < _SORTED_MAX:
        found, counts = np.unique(hashes, return_counts=True)
        return found.astype(np.intp), np.sqrt(counts.astype(np.float32))
    in_all = np.bincount(hashes, minlength=BUCKETS)
    buckets = np.flatnonzero(in_all)
    return buckets, np.sqrt(in_all[buckets].astype(np.float32))


def _letters(text: str) -> Codes:
    """Letters and digits in lower case, with one 0 before, between and behind words."""
    data = text.casefold().encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(data, np.uint32)
    codes = np.where(_is_letter(codes), codes, np.uint32(0))
    padded = np.zeros(len(codes) + 2, np.uint32)
    padded[1:-1] = codes
    is_kept = np.ones(len(padded), np.bool_)
    is_kept[1:] = (padded[1:] != 0) | (padded[:-1] != 0)
    return padded[is_kept]


def _is_letter(codes: Codes) -> NDArray[np.bool_]:
    """Whether each is part of a word: everything beyond ASCII but the blocks of punctuation.

    Numbers below 0 are large ones: what lies between two is found by one comparison.
    """
    is_plain = ((codes - _ZERO) < _DIGITS) | ((codes - _A) < _ALPHABET)
    is_other = (codes >= _BEYOND) & ((codes - _SIGNS) >= _SIGNS_LONG)
    letters: NDArray[np.bool_] = is_plain | (is_other & ((codes - _WIDE_SIGNS) >= _WIDE_SIGNS_LONG))
    return letters


def _words(codes: Codes) -> tuple[Codes, Codes]:
    """A number for each word, and for each two words in a row."""
    ends = np.flatnonzero(codes == 0)
    starts = ends[:-1] + 1
    lengths = ends[1:] - starts
    inside = codes[codes != 0]
    first = np.cumsum(lengths) - lengths
    places = np.arange(len(inside), dtype=np.uint32) - np.repeat(first, lengths).astype(np.uint32)
    # Each letter is mixed with its place in the word, so that a sum tells anagrams apart.
    mixed = (inside + places * _APART) * _SPREAD
    mixed ^= mixed >> _FOLD
    words = np.add.reduceat(mixed * _FACTOR, first, dtype=np.uint32)
    return words, words[:-1] * _FACTOR + words[1:] + _APART


def _runs(codes: Codes) -> tuple[Codes, ...]:
    """A number for each run of three and four letters, the edges of words included."""
    runs = []
    rolled = codes
    for length in range(2, min(_RUN_MAX, len(codes)) + 1):
        rolled = rolled[:-1] * _FACTOR + codes[length - 1 :]
        if length >= _RUN_MIN:
            runs.append(rolled + np.uint32(length))
    return tuple(runs)
