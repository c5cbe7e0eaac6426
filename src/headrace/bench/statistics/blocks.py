"""The order in which runs are made: pairs side by side, in an order that chance chose."""

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
