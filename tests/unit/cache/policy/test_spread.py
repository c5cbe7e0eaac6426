"""Equal keys are equal in every process, and different ones look random."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

import pytest

from headrace.cache.policy.spread import SPREAD_BITS, spread_of

STEM: Final = b"a long stem that all keys share "
KEYS: Final[Mapping[str, Sequence[Hashable]]] = {
    "short bytes": [b"%d" % number for number in range(20_000)],
    "bytes that differ at the end": [STEM + b"%08d" % number for number in range(20_000)],
    "small numbers": range(20_000),
    "tuples": [(number, number % 7) for number in range(20_000)],
}


def test_bytes_are_spread_alike_by_every_process() -> None:
    assert spread_of(0)(b"headrace") == 942261209880699795
    assert spread_of(7)(b"headrace") == 864172837561910010


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("seed", [0, 1, 1 << 70])
def test_high_and_low_bits_look_random(name: str, seed: int) -> None:
    codes = [spread_of(seed)(key) for key in KEYS[name]]
    assert 0 <= min(codes) <= max(codes) < 1 << SPREAD_BITS
    for shift in (0, 32, SPREAD_BITS - 6):
        counts = [0] * 64
        for code in codes:
            counts[code >> shift & 63] += 1
        assert 220 < min(counts) <= max(counts) < 410


def test_seeds_make_different_samples() -> None:
    one, other = spread_of(1), spread_of(2)
    top = SPREAD_BITS - 3
    keys = [key for key in KEYS["short bytes"] if one(key) >> top == 0]
    both = [key for key in keys if other(key) >> top == 0]
    assert len(both) < len(keys) / 4
