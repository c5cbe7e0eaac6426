"""Cutting a text the way a model streams it."""

import re

# Up to three words, or 16 characters where nothing separates words.
_PIECE = re.compile(r"(?:\s*\S{1,16}){1,3}\s*|\s+")


def cut_text(text: str) -> list[str]:
    """Cut `text` into pieces of a few words whose concatenation is `text`."""
    return _PIECE.findall(text)
