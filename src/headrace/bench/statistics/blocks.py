"""The order in which runs are made: pairs side by side, in an order that chance chose."""

from hashlib import blake2b
from typing import Literal

import msgspec
import numpy as np

Arm = Literal["a", "b"]


class Turn(msgspec.Struct, frozen=True):
    """One run to be made.

    Attributes:
        block: the pair it belongs to, from 0 on.
        arm: which side is measured.
    """

    block: int
    arm: Arm


def paired_blocks(pairs: int, rng: np.random.Generator) -> tuple[Turn, ...]:
    """Each block holds one run of either arm; as many begin with A as with B, or one more.

    All of A before all of B would take a slow change of the machine for a change of the program.
    Which blocks begin with A is left to chance, so that nothing periodic can keep in step.

    Raises:
        ValueError: fewer than one pair.
    """
    if pairs < 1:
        raise ValueError(f"at least one pair, not {pairs}")
    first_a = rng.permutation(np.arange(pairs) + rng.integers(0, 2)) % 2 == 0
    orders: tuple[tuple[Arm, Arm], ...] = tuple(("a", "b") if a else ("b", "a") for a in first_a)
    return tuple(Turn(block, arm) for block, order in enumerate(orders) for arm in order)


def seed_of(seed: int, block: int) -> int:
    """The seed of a block: of 53 bits, and of no other block, be it of another seed.

    With one more for each block, series with seeds that follow each other would share theirs.
    """
    digest = blake2b(b"%d.%d" % (seed, block), digest_size=8).digest()
    return int.from_bytes(digest) >> 11


def orders(arms: int, blocks: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """The order of the arms in each block, by number; chance chooses, and the seed repeats it.

    Two arms are `paired_blocks`. Of more, each stands at each place as often as at any other, or
    once more: the orders of as many blocks as there are arms are the rotations of one that chance
    drew (a Latin square), in an order of chance.

    Raises:
        ValueError: no arm, or no block.
    """
    if arms < 1 or blocks < 1:
        raise ValueError(f"an arm and a block at least, not {arms} and {blocks}")
    rng = np.random.default_rng(seed)
    if arms == 2:
        turns = paired_blocks(blocks, rng)
        firsts = ("ab".index(turn.arm) for turn in turns[::2])
        return tuple((first, 1 - first) for first in firsts)
    found: list[tuple[int, ...]] = []
    while len(found) < blocks:
        drawn = rng.permutation(arms)
        rows = (np.roll(drawn, turn) for turn in rng.permutation(arms))
        found += [tuple(int(arm) for arm in row) for row in rows]
    return tuple(found[:blocks])
