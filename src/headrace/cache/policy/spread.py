"""Keys as numbers that look random, for sampling and for sketches."""

from collections.abc import Callable, Hashable
from typing import Final
from zlib import crc32

Spread = Callable[[Hashable], int]

SPREAD_BITS: Final = 60
_MASK: Final = (1 << SPREAD_BITS) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


def spread_of(seed: int = 0) -> Spread:
    """A function from keys to 60 bits, in which equal keys are equal and others look random.

    Bytes are spread by their contents alone, so every process with the same seed agrees; other
    keys by their hash, which for text differs from process to process.

    Args:
        seed: another seed makes another function.
    """
    first = seed & 0xFFFFFFFF
    salt = seed * _GOLDEN & _MASK

    def spread(key: Hashable) -> int:
        code = crc32(key, first) if type(key) is bytes else hash(key) ^ salt
        # Multiplying carries what differs upwards, and the shift brings it down again.
        code = code * _GOLDEN & _MASK
        return code ^ code >> 31

    return spread
