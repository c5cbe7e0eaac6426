"""What kind of text a text is: tokenizers differ by it more than by anything else. Pure.

Only a sample of a long text is looked at, so that this costs some microseconds at any length.
"""

import enum
import string
from collections.abc import Sequence
from typing import Final, NamedTuple


class Content(enum.IntEnum):
    """Kinds of text that have a ratio of their own."""

    ENGLISH = 0
    LATIN = 1
    CYRILLIC = 2
    CJK = 3
    OTHER = 4
    CODE = 5
    JSON = 6


Shares = tuple[float, ...]
"""What part of a text's tokens are of each kind, by `Content`; they sum up to 1."""

TOKENS_PER_CHAR: Final[Shares] = (0.23, 0.25, 0.3, 0.7, 0.36, 0.25, 0.37)
"""Of o200k, on texts of each kind; `benchmarks.prompt.counting` shows how well it holds."""

_WINDOW_CHARS: Final = 1024
_WINDOWS_MAX: Final = 8


def _pure(kind: Content) -> Shares:
    return tuple(float(kind is each) for each in Content)


_PURE: Final = tuple(map(_pure, Content))


def _bytes(*ranges: tuple[int, int]) -> bytes:
    return bytes(value for first, last in ranges for value in range(first, last + 1))


# First bytes of UTF-8 sequences; each stands for one character.
_ASCII: Final = _bytes((0x00, 0x7F))
_MARKED_LATIN: Final = _bytes((0xC3, 0xC9))
_CYRILLIC: Final = _bytes((0xD0, 0xD3))
_CJK: Final = _bytes((0xE3, 0xED))
# Not E2: dashes, quotes and signs of every language.
_OTHER: Final = _bytes((0xCA, 0xCF), (0xD4, 0xDF), (0xE0, 0xE1), (0xEE, 0xF4))

_SIGNS: Final = b"{}[]()<>=;_/\\#*&|+@$%^~`"
_ALL_SIGNS: Final = string.punctuation.encode()
_SPACES: Final = string.whitespace.encode()
_DIGITS: Final = string.digits.encode()
_LETTERS: Final = _bytes((0x41, 0x5A), (0x61, 0x7A))
_CODE_SIGNS_SHARE: Final = 0.06
_JSON_QUOTES_SHARE: Final = 0.04
_JSON_LETTERS_SHARE_MAX: Final = 0.75
_MARKED_SHARE: Final = 0.01
_ENGLISH_WORDS: Final = (b" the ", b" of ", b" and ", b" to ", b" is ")
_LATIN_WORDS: Final = (b" de ", b" la ", b" que ", b" der ", b" und ", b" di ", b" yang ", b" het ")


class Traits(NamedTuple):
    """What the number of a text's tokens depends on, besides those of another tokenizer.

    Attributes:
        shares: what part of the tokens are of each kind of text.
        chars: how long it is.
        signs: about how many of its characters are signs.
        digits: the same for digits.
        lines: the same for ends of lines.
    """

    shares: Shares
    chars: int
    signs: float
    digits: float
    lines: float


def read_traits(text: str) -> Traits:
    """The traits of a text, of a long one by a sample of it."""
    length = len(text)
    if length <= _WINDOW_CHARS:
        window = _Window(text)
        return Traits(window.shares, length, window.signs, window.digits, window.lines)
    windows = min(_WINDOWS_MAX, -(-length // _WINDOW_CHARS))
    step = (length - _WINDOW_CHARS) // (windows - 1)
    found = [
        _Window(text[start : start + _WINDOW_CHARS])
        for start in range(0, step * windows, max(1, step))
    ]
    part = length / (_WINDOW_CHARS * len(found))
    return Traits(
        _joined([window.shares for window in found]),
        length,
        part * sum(window.signs for window in found),
        part * sum(window.digits for window in found),
        part * sum(window.lines for window in found),
    )


class _Window:
    """What is seen of some text."""

    __slots__ = ("digits", "lines", "shares", "signs")

    def __init__(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self.shares = _window_shares(text, data)
        self.signs = _count(data, _ALL_SIGNS)
        self.digits = _count(data, _DIGITS)
        self.lines = data.count(b"\n")


def _joined(found: Sequence[Shares]) -> Shares:
    first = found[0]
    if all(shares is first for shares in found):
        return first
    # Windows of more tokens count for more.
    weights = [_tokens_per_char(shares) for shares in found]
    return _normal(
        [
            sum(weight * shares[kind] for weight, shares in zip(weights, found, strict=True))
            for kind in Content
        ]
    )


def chars_by_kind(traits: Traits) -> list[float]:
    """How many of a text's characters are of each kind."""
    weights = [share / rate for share, rate in zip(traits.shares, TOKENS_PER_CHAR, strict=True)]
    total = sum(weights)
    return [traits.chars * weight / total for weight in weights]


def length_estimate(traits: Traits) -> float:
    """How many tokens of o200k a text has by its length and kind alone."""
    return traits.chars * _tokens_per_char(traits.shares)


def _tokens_per_char(shares: Shares) -> float:
    # A kind has a share of the tokens, so what adds up is characters per token.
    chars = sum(share / rate for share, rate in zip(shares, TOKENS_PER_CHAR, strict=True))
    return 1.0 / chars if chars else TOKENS_PER_CHAR[0]


def _normal(weights: list[float]) -> Shares:
    total = sum(weights)
    if not total:
        return _PURE[Content.ENGLISH]
    return tuple(weight / total for weight in weights)


def _window_shares(text: str, data: bytes) -> Shares:
    if text.isascii():
        return _PURE[_ascii_kind(data)]
    plain = _count(data, _ASCII)
    marked = _count(data, _MARKED_LATIN)
    cyrillic, cjk = _count(data, _CYRILLIC), _count(data, _CJK)
    other = _count(data, _OTHER)
    letters = _count(data, _LETTERS)
    # Spaces and signs between words belong to the language of the words.
    foreign = cyrillic + other
    if foreign:
        spaces = plain - letters
        taken = spaces * foreign / (foreign + letters + marked)
        cyrillic_chars = cyrillic + taken * cyrillic / foreign
        other_chars = other + taken * other / foreign
        plain -= round(taken)
    else:
        cyrillic_chars = other_chars = 0.0
    kind = _ascii_kind(data)
    if kind is Content.ENGLISH and marked > _MARKED_SHARE * letters:
        kind = Content.LATIN
    chars = [0.0] * len(Content)
    chars[kind] = float(plain + marked)
    chars[Content.CYRILLIC] = float(cyrillic_chars)
    chars[Content.CJK] = float(cjk)
    chars[Content.OTHER] += other_chars
    return _normal([count * rate for count, rate in zip(chars, TOKENS_PER_CHAR, strict=True)])


def _count(data: bytes, which: bytes) -> int:
    return len(data) - len(data.translate(None, which))


def _ascii_kind(data: bytes) -> Content:
    """The kind of what of a text is ASCII."""
    length = len(data) - _count(data, _SPACES)
    signs = _count(data, _SIGNS)
    quotes = data.count(b'"')
    if quotes > _JSON_QUOTES_SHARE * length and (data.count(b":") + data.count(b",")) * 4 >= quotes:
        letters = _count(data, _LETTERS)
        if signs and letters < _JSON_LETTERS_SHARE_MAX * length:
            return Content.JSON
    if signs > _CODE_SIGNS_SHARE * length:
        return Content.CODE
    english = sum(map(data.count, _ENGLISH_WORDS))
    latin = sum(map(data.count, _LATIN_WORDS))
    return Content.LATIN if latin > english else Content.ENGLISH
