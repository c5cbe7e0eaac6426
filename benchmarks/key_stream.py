"""An endless stream of operations on keys, for a cache that is to work at its bound for long.

A function of its seed, in constant memory. Popularity is Zipf's; each popular key is replaced by a
new one after a while, one after the other; some keys come once, some in scans of many.
"""

import enum
import random
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

POPULAR: Final = 60_000
ZIPF: Final = 0.9
# Operations for which a rank of popularity means the same key.
LIFE: Final = 2_000_000
BATCH: Final = 512
ONCE_SHARE: Final = 0.2
SCAN_SHARE: Final = 0.0002
SCAN_LENGTH: Final = 400
TABLE: Final = 1024
# Knuth's multiplicative hash: neighbours get entries of the tables that are far apart.
SCATTER: Final = 2_654_435_761

BYTES_MEDIAN, BYTES_SIGMA, BYTES_MAX = 2000, 0.8, 60_000
SHORT_TTL_SHARE: Final = 0.3
SHORT_TTL_S: Final = (0.1, 2.0)
LONG_TTL_S: Final = (5.0, 120.0)
USD: Final = (0.0001, 0.001, 0.01)


class Action(enum.IntEnum):
    """What is done with a key."""

    LOOK_UP = 0
    STORE = 1
    ADD = 2
    REMOVE = 3


# Of a hundred operations: what is looked up and not there is stored as well.
ACTIONS: Final = (88, 94, 97, 100)


class Operation(NamedTuple):
    """One operation.

    Attributes:
        action: what is done.
        number: of the key.
    """

    action: Action
    number: int


class Terms(NamedTuple):
    """What a key holds when it is stored, always the same.

    Attributes:
        size: bytes.
        ttl_s: how long it is good, in seconds.
        worth_usd: what its next use saves.
    """

    size: int
    ttl_s: float
    worth_usd: float


class KeyStream:
    """Operations, and what belongs to their keys.

    Args:
        seed: the same gives the same.
    """

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        dice = random.Random(seed + 1)
        self._terms = [_terms(dice) for _ in range(TABLE)]

    def terms(self, number: int) -> Terms:
        """What the key of this number holds."""
        return self._terms[number * SCATTER % (1 << 32) * TABLE >> 32]

    def operations(self) -> Iterator[Operation]:
        """One operation after the other, without an end."""
        actions = list(Action)
        numbers = self._numbers()
        while True:
            chosen = self._dice.choices(actions, cum_weights=ACTIONS, k=BATCH)
            yield from map(Operation, chosen, numbers)

    def _numbers(self) -> Iterator[int]:
        """Key after key: even numbers are popular ones, odd ones come once."""
        dice = self._dice
        weights = list(accumulate((rank + 1) ** -ZIPF for rank in range(POPULAR)))
        ranks = range(POPULAR)
        done = once = scan_left = 0
        while True:
            for rank in dice.choices(ranks, cum_weights=weights, k=BATCH):
                done += 1
                luck = dice.random()
                if not scan_left and luck < SCAN_SHARE:
                    scan_left = SCAN_LENGTH
                if scan_left or luck < ONCE_SHARE:
                    scan_left = max(0, scan_left - 1)
                    once += 1
                    yield 2 * once + 1
                else:
                    lives = (done + rank * LIFE // POPULAR) // LIFE
                    yield 2 * (lives * POPULAR + rank)


def _terms(dice: random.Random) -> Terms:
    size = min(BYTES_MAX, round(BYTES_MEDIAN * dice.lognormvariate(0.0, BYTES_SIGMA)))
    within = SHORT_TTL_S if dice.random() < SHORT_TTL_SHARE else LONG_TTL_S
    return Terms(size, dice.uniform(*within), dice.choice(USD))
