"""Where answers come from: seeded bytes, seeded words and the simulator's own tokenizer.

The tokenizer's rule: every run of word characters is one token, and so is every other character
that is not white space. White space belongs to the token after it and counts nothing.
"""

import hashlib
import re

_PIECE = re.compile(r"\s*(?:\w+|[^\w\s])")

_VOCABULARY = """
    water mill wheel river channel gate weir sluice pond stone bank current depth fall head race
    flow stream bridge timber iron shaft gear tooth bearing grain flour sack miller season winter
    spring summer autumn morning evening light shadow valley hill meadow field road village market
    letter answer question reason measure number table figure line curve point model engine signal
    rhythm pattern order branch root leaf seed harvest bread oven fire smoke wind cloud rain storm
    quiet steady narrow broad deep shallow swift gentle heavy early patient careful simple certain
    carries turns lifts grinds opens closes follows meets feeds holds moves keeps draws joins
    begins ends rises falls the a one each every this that its with under over beside through
    from into before after while when where because
"""
WORDS = tuple(_VOCABULARY.split())
_INNER = tuple(f" {word}" for word in WORDS)
_FIRST = tuple(f" {word.capitalize()}" for word in WORDS)
_SENTENCE_WORDS_MIN = 5


def seeded_bytes(count: int, *parts: bytes) -> bytes:
    """The first `count` bytes of an endless sequence that `parts` alone decide."""
    source = hashlib.shake_128()
    for part in parts:
        source.update(b"%d:" % len(part))
        source.update(part)
    return source.digest(count)


def seeded_fraction(seed: int, purpose: bytes, sequence: int) -> float:
    """A number above 0 and below 1, uniform over `sequence`."""
    drawn = seeded_bytes(6, b"%d" % seed, purpose, b"%d" % sequence)
    return (int.from_bytes(drawn, "big") + 0.5) / (1 << 48)


def split_tokens(text: str) -> list[str]:
    """The tokens of `text`, each with the white space before it."""
    return _PIECE.findall(text)


def count_tokens(text: str) -> int:
    """How many tokens `text` has."""
    return len(_PIECE.findall(text))


def seeded_tokens(drawn: bytes) -> list[str]:
    """Sentences, one token for each byte of `drawn`; joined they split into the same tokens."""
    tokens = [_INNER[byte & 127] for byte in drawn]
    start = 0
    while start < len(drawn):
        tokens[start] = _FIRST[drawn[start] & 127]
        stop = start + _SENTENCE_WORDS_MIN + drawn[start] % 11
        if stop < len(drawn):
            tokens[stop] = "."
        start = stop + 1
    if tokens:
        tokens[0] = tokens[0].lstrip()
    return tokens
