"""Tokenizers that nobody knows: what they count is told in `usage`, and nowhere else.

A model with `own-tokenizer` in its name has one, which follows from the name. It cuts long words
into pieces and counts them, digits, signs and characters of each script at ratios of its own, and
so comes to more tokens than the simulator's plain rule, by another factor for each kind of text.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from headrace.sim.text import count_tokens, seeded_bytes

MARK: Final = "own-tokenizer"
_RATIO_LEAST: Final = 1.1
_RATIO_SPAN: Final = 0.9
_PIECES: Final = re.compile(
    r"(?P<plain>[A-Za-z]+)|(?P<digits>[0-9]{1,3})|(?P<marked>[A-Za-z\u00c0-\u024f]+)"
    r"|(?P<cyrillic>[\u0400-\u052f]+)|(?P<east>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])"
    r"|(?P<other>[^\W\d_]+)|(?P<sign>(?P<same>[^\w\s]|_)(?P=same){0,3})|(?P<indent>\n\s*)"
)
_LETTERS: Final[Mapping[str, int]] = {"plain": 8, "marked": 5, "cyrillic": 5, "other": 4}
"""Letters of a word that make a token."""


def counter_of(model: str) -> Callable[[str], int]:
    """What counts the tokens of a text for a model."""
    return _own(model) if MARK in model else count_tokens


@lru_cache(maxsize=16)
def _own(model: str) -> Callable[[str], int]:
    names = sorted({*_PIECES.groupindex} - {"same"})
    drawn = seeded_bytes(len(names), MARK.encode(), model.encode("utf-8", "replace"))
    ratios = {
        name: _RATIO_LEAST + _RATIO_SPAN * byte / 255
        for name, byte in zip(names, drawn, strict=True)
    }

    def count(text: str) -> int:
        total = 0.0
        for piece in _PIECES.finditer(text):
            kind = str(piece.lastgroup)
            tokens = -(-(piece.end() - piece.start()) // _LETTERS[kind]) if kind in _LETTERS else 1
            total += tokens * ratios[kind]
        return round(total)

    return count
