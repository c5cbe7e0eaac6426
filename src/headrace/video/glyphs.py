"""What can be drawn of a text: characters that would break a line, or that a font has not got.

A character that no font has would be drawn as an empty box. It is replaced so that a reader sees
that something stood there: emoji and other symbols by their names in brackets, letters by U+FFFD.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

import msgspec

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_RTL: Final = frozenset(("R", "AL", "RLE", "RLO", "RLI"))
_STRONG: Final = frozenset(("L", "R", "AL"))
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_REGIONS: Final = range(0x1F1E6, 0x1F200)
_FLAG: Final = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_KEYCAP: Final = "\N{COMBINING ENCLOSING KEYCAP}"


class Drawable(msgspec.Struct, frozen=True):
    """A text as it is drawn.

    Attributes:
        text: in one line, with characters that the font has.
        missing: what stood there and could not be drawn, each character once, in order.
        letters_missing: how many letters, of `letters`.
        letters: in the text as it came.
    """

    text: str
    missing: tuple[str, ...]
    letters_missing: int
    letters: int


def plain(text: str) -> str:
    """A text in one line, composed (NFC), without characters that are commands to the layout."""
    kept = (_kept(char) for char in unicodedata.normalize("NFC", text))
    return " ".join("".join(kept).split())


def _kept(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cs":
        return REPLACEMENT  # half of a pair, alone: no encoding knows it
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if (category in ("Cf", "Cn", "Co") and char not in _JOINERS) or "\ufe00" <= char <= "\ufe0f":
        return ""
    return char


def drawable(text: str, has: Callable[[str], bool]) -> Drawable:
    """A text as it can be drawn with a font.

    Args:
        text: anything.
        has: whether the font has a character.
    """
    line = plain(text)
    named = _FLAG.sub(lambda found: _flag(found[0], has), line)
    drawn: list[str] = []
    missing: dict[str, None] = {}
    lost = 0
    for char in named:
        if char == " " or has(char):
            drawn.append(char)
            continue
        if char in _JOINERS:
            continue
        is_letter = unicodedata.category(char)[0] in "LM"
        lost += is_letter
        missing[char] = None
        drawn.append(_stand_in(char, has))
    letters = sum(unicodedata.category(char)[0] in "LM" for char in line)
    return Drawable(" ".join("".join(drawn).split()), tuple(missing), lost, letters)


def _stand_in(char: str, has: Callable[[str], bool]) -> str:
    code = ord(char)
    if code in _SKIN_TONES or char == _KEYCAP:
        return ""
    folded = unicodedata.normalize("NFKC", char)
    if folded != char and all(has(part) for part in folded):
        return folded
    name = unicodedata.name(char, "").lower()
    if unicodedata.category(char) in ("So", "Sk", "Sm") and name and len(name) <= 40:
        return f" [{name}] "
    return REPLACEMENT if has(REPLACEMENT) else "?"


def _flag(pair: str, has: Callable[[str], bool]) -> str:
    if all(map(has, pair)):
        return pair
    return f" [flag {''.join(chr(ord('A') + ord(char) - _REGIONS.start) for char in pair)}] "


def is_rtl(text: str) -> bool:
    """Whether a line runs from right to left: its first strong character says so (UAX #9, P2)."""
    kinds = (unicodedata.bidirectional(char) for char in text)
    return next((kind in _RTL for kind in kinds if kind in _STRONG), False)
