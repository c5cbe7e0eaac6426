"""The order of runs."""

import numpy as np
import pytest

from headrace.bench import Turn, paired_blocks
from headrace.bench.statistics.blocks import orders, seed_of


def firsts(pairs: int, seed: int) -> str:
    turns = paired_blocks(pairs, np.random.default_rng(seed))
    return "".join(turn.arm for turn in turns[::2])


@pytest.mark.parametrize("pairs", [1, 2, 9, 10])
def test_each_block_has_both_arms(pairs: int) -> None:
    turns = paired_blocks(pairs, np.random.default_rng(pairs))
    assert [turn.block for turn in turns] == [block for block in range(pairs) for _ in "ab"]
    assert {*turns} == {Turn(block, arm) for block in range(pairs) for arm in ("a", "b")}


@pytest.mark.parametrize("seed", range(5))
def test_either_arm_begins_as_often(seed: int) -> None:
    assert firsts(10, seed).count("a") == 5
    assert firsts(9, seed).count("a") in {4, 5}


def test_chance_chooses_and_the_seed_repeats() -> None:
    assert len({firsts(10, seed) for seed in range(20)}) > 10
    assert firsts(10, 3) == firsts(10, 3)


def test_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        paired_blocks(0, np.random.default_rng(0))


@pytest.mark.parametrize(("arms", "blocks"), [(1, 4), (2, 1), (2, 9), (3, 3), (5, 12)])
def test_every_arm_has_its_turn_in_every_block(arms: int, blocks: int) -> None:
    told = orders(arms, blocks, 4)
    assert len(told) == blocks
    assert all(sorted(order) == [*range(arms)] for order in told)


@pytest.mark.parametrize("seed", range(5))
def test_every_arm_stands_at_every_place_as_often(seed: int) -> None:
    for arms in (2, 3, 4):
        places = [*zip(*orders(arms, 3 * arms, seed), strict=True)]
        assert all(sorted(place) == sorted([*range(arms)] * 3) for place in places)


def test_orders_are_drawn_and_repeated_by_their_seed() -> None:
    assert len({orders(4, 8, seed) for seed in range(20)}) > 10
    assert orders(4, 8, 3) == orders(4, 8, 3)


@pytest.mark.parametrize(("arms", "blocks"), [(0, 3), (2, 0)])
def test_too_little_to_order_is_refused(arms: int, blocks: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        orders(arms, blocks, 0)


def test_series_of_other_seeds_share_no_block() -> None:
    seeds = [seed_of(seed, block) for seed in range(40) for block in range(40)]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 2**53
    assert seed_of(3, 4) == seed_of(3, 4)
