"""The selector finds the better policy, stays with it, and never stops for a change."""

import random
from collections.abc import Iterator

import pytest

from headrace.cache.policy import Policy, PolicyName, Score, SelectingPolicy, make_policy
from headrace.cache.policy.contest import ContestRules

Use = tuple[int, float]
RULES = ContestRules(uses_half_life=1024, uses_per_round=64, uses_dwell=512)


class Cache:
    """Equal entries, and a selecting policy that decides which of them leave."""

    def __init__(
        self,
        entries_max: int,
        *,
        score: Score = "dollars",
        rules: ContestRules = RULES,
        seed: int = 3,
    ) -> None:
        self.entries_max = entries_max
        self.held: set[int] = set()
        self.policy = SelectingPolicy[int](
            bytes_max=entries_max * 1000,
            entries_max=entries_max,
            score=score,
            keys_max=512,
            rules=rules,
            seed=seed,
        )

    def use(self, key: int, worth: float) -> int | None:
        """Use one key; tells which one left for it."""
        if key in self.held:
            self.policy.touch(key)
            return None
        self.held.add(key)
        self.policy.insert(key, 1000, worth)
        if len(self.held) <= self.entries_max:
            return None
        victim = self.policy.evict()
        self.held.remove(victim)
        return victim

    def replay(self, uses: Iterator[Use]) -> list[str]:
        """Use many; tells which policies were in charge, one after the other."""
        names = [self.policy.state.policy]
        for key, worth in uses:
            self.use(key, worth)
            if self.policy.state.policy != names[-1]:
                names.append(self.policy.state.policy)
        return names


def popular(chance: random.Random, uses: int, *, worth: float = 0.01) -> Iterator[Use]:
    """A few keys again and again among many that come once, all at one price."""
    for number in range(uses):
        once = chance.random() < 0.5
        key = 10_000 + number if once else int(400 * chance.random() ** 2)
        yield key, worth


def tiers(chance: random.Random, uses: int) -> Iterator[Use]:
    """Every key as popular as any other; every eighth is fifty times as dear."""
    for _ in range(uses):
        key = chance.randrange(800)
        yield key, 0.001 if key % 8 else 0.05


def test_with_one_price_and_many_one_shots_it_leaves_gdsf() -> None:
    names = Cache(100).replay(popular(random.Random(1), 30_000))
    assert names[0] == "gdsf"
    assert names[-1] == "s3fifo"
    assert len(names) <= 4


def test_with_tiers_of_prices_it_goes_to_gdsf_and_stays() -> None:
    cache, chance = Cache(100), random.Random(2)
    cache.replay(popular(chance, 30_000))
    assert cache.replay(tiers(chance, 30_000)) == ["s3fifo", "gdsf"]
    earned = cache.policy.state.earned
    assert earned["gdsf"] > 1.5 * max(earned["lru"], earned["s3fifo"])


def test_hits_are_scored_without_prices() -> None:
    cache = Cache(100, score="hits")
    assert cache.replay(tiers(random.Random(3), 20_000)) == ["s3fifo"]
    earned = cache.policy.state.earned
    assert earned["gdsf"] == pytest.approx(earned["lru"], rel=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_it_does_not_flap_where_no_policy_is_better(seed: int) -> None:
    chance = random.Random(seed)
    cache = Cache(100, score="hits", seed=seed)
    assert len(cache.replay((chance.randrange(300), 0.01) for _ in range(30_000))) <= 2


def changed(entries_max: int) -> Cache:
    """A cache whose policy has just changed, with every key still at the one before."""
    cache, chance = Cache(entries_max), random.Random(1)
    for key in range(entries_max):
        cache.use(key, 0.01)
    uses = popular(chance, 100_000)
    while not cache.policy.state.changes:
        cache.use(*next(uses))
    return cache


def test_a_change_hands_over_a_few_keys_with_each_insertion() -> None:
    cache = changed(200)
    insertions = 0
    while cache.policy.state.is_handing_over:
        cache.use(1_000_000 + insertions, 0.01)
        insertions += 1
    # Three leave the policy before with each until it has lost half, then two.
    assert 200 / 3 < insertions <= 200 / 2
    assert len(cache.held) == 200


def test_what_is_used_during_a_change_leaves_after_what_is_not() -> None:
    cache = changed(200)
    used = sorted(cache.held)[::10]
    for key in used:
        cache.use(key, 0.01)
    left = {cache.use(key, 0.01) for key in range(1_000_000, 1_000_050)}
    assert not left & set(used)


def test_all_can_be_removed_during_a_change() -> None:
    cache = changed(200)
    for key in sorted(cache.held)[:10]:
        cache.use(key, 0.01)
    for key in sorted(cache.held):
        cache.policy.remove(key)
    with pytest.raises(KeyError):
        cache.policy.evict()


def test_all_can_be_evicted_during_a_change() -> None:
    cache = changed(200)
    assert sorted(cache.policy.evict() for _ in range(200)) == sorted(cache.held)
    with pytest.raises(KeyError):
        cache.policy.evict()


def test_a_key_that_is_not_held_is_an_error() -> None:
    for cache in (Cache(100), changed(100)):
        with pytest.raises(KeyError):
            cache.policy.touch(-1)
        with pytest.raises(KeyError):
            cache.policy.remove(-1)


def test_the_sample_keeps_its_bound_and_follows_the_room() -> None:
    cache = Cache(20_000)
    for key in range(30_000):
        cache.use(key, 0.01)
    full = cache.policy.state
    assert 100 < full.keys <= 512
    assert full.share < 0.05
    cache.policy.resize(bytes_max=100 * 1000, entries_max=100)
    while len(cache.held) > 100:
        cache.held.remove(cache.policy.evict())
    cache.entries_max = 100
    for key in range(40_000, 40_500):
        cache.use(key, 0.01)
    assert cache.policy.state.share == 0.5
    assert cache.policy.state.keys <= 100


def test_nobody_is_watched_before_the_cache_is_half_full() -> None:
    cache = Cache(1000)
    cache.replay((key % 499, 0.01) for key in range(2000))
    assert cache.policy.state.keys == 0
    assert not any(cache.policy.state.earned.values())
    cache.replay((key, 0.01) for key in range(499, 800))
    cache.replay((key, 0.01) for key in range(499, 800))
    assert cache.policy.state.keys > 0
    assert all(cache.policy.state.earned.values())


def test_the_same_seed_and_keys_make_the_same_decisions() -> None:
    def victims(seed: int) -> list[int | None]:
        cache = Cache(100, seed=seed)
        return [cache.use(*use) for use in popular(random.Random(4), 10_000)]

    assert victims(1) == victims(1)


@pytest.mark.parametrize("name", ["auto", "gdsf", "lru", "s3fifo"])
@pytest.mark.parametrize("score", ["dollars", "hits"])
def test_every_policy_has_a_name(name: PolicyName, score: Score) -> None:
    policy: Policy[str] = make_policy(name, bytes_max=1000, entries_max=10, score=score)
    policy.insert("dear", 100, 1.0)
    policy.insert("cheap", 100, 0.001)
    policy.resize(bytes_max=500, entries_max=5)
    priced = name in ("auto", "gdsf") and score == "dollars"
    assert policy.evict() == ("cheap" if priced else "dear")
