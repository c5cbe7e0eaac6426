"""Texts and counters for what is done to prompts."""

import re
from typing import Final

_PIECE: Final = re.compile(r" ?[A-Za-z]{1,7}|\d{1,3}|\s{1,3}|.", re.DOTALL)


def count_pieces(text: str) -> int:
    """About what a tokenizer counts, without one: short words, three digits, bits of space."""
    return len(_PIECE.findall(text))
