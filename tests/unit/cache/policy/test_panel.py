"""The sample has a bound, sees every use of what is in it, and follows what is held."""

import pytest

from headrace.cache.policy import LruPolicy
from headrace.cache.policy.panel import Facts, Panel

FACTS = Facts(100, 1.0)


def panel(*, keys_max: int = 64, share_max: float = 0.5, entries_max: int = 1000) -> Panel[int]:
    return Panel(
        [LruPolicy(), LruPolicy()],
        bytes_max=entries_max * 200,
        entries_max=entries_max,
        keys_max=keys_max,
        share_max=share_max,
        seed=1,
    )


def test_watches_its_share_of_the_keys() -> None:
    half = panel(keys_max=10_000, entries_max=10_000)
    for key in range(2000):
        half.enter(key, FACTS)
    assert 900 < len(half.watched) < 1100


def test_with_everything_sampled_it_sees_everything() -> None:
    whole = panel(keys_max=100, share_max=1.0)
    assert [whole.enter(key, FACTS) for key in (1, 2, 1)] == [
        (False, False),
        (False, False),
        (True, True),
    ]
    assert whole.use(2, FACTS) == (True, True)


def test_shadows_have_the_share_of_the_room() -> None:
    half = panel(keys_max=10_000, entries_max=1000)
    for key in range(5000):
        half.enter(key, FACTS)
    assert half.share == 0.5
    assert len(half.watched) > 2000
    assert half.keys == len(half.watched)
    for key in list(half.watched):
        half.watched.pop(key)
    assert half.keys == 500
    half.resize(bytes_max=200 * 100, entries_max=1000)
    assert half.keys == 100


def test_the_share_shrinks_so_that_the_sample_keeps_its_bound() -> None:
    bounded = panel(keys_max=64, entries_max=1_000_000)
    for key in range(5000):
        bounded.enter(key, FACTS)
        assert bounded.keys <= 64
    assert 64 / 5000 / 3 < bounded.share < 64 / 5000 * 2
    hits = [bounded.use(key, FACTS) for key in list(bounded.watched)]
    assert hits.count((True, True)) == len(hits) > 15


def test_the_share_grows_again_when_little_is_held() -> None:
    bounded = panel(keys_max=64, entries_max=1_000_000)
    assert bounded.held_min == 0
    for key in range(5000):
        bounded.enter(key, FACTS)
    small = bounded.share
    assert 5000 / 16 / 4 < bounded.held_min < 5000 / 16 * 4
    bounded.widen()
    assert bounded.share == small
    for key in list(bounded.watched):
        bounded.remove(key)
    for _ in range(20):
        bounded.widen()
    assert bounded.share == 0.5
    assert bounded.held_min == 0


def test_what_is_removed_is_held_by_nobody() -> None:
    whole = panel(share_max=1.0)
    whole.enter(1, FACTS)
    whole.remove(1)
    assert not whole.watched
    whole.remove(1)
    assert whole.enter(1, FACTS) == (False, False)


class Alike:
    """Keys that nothing tells apart but being another."""

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize("seed", range(4))
def test_keys_that_hash_alike_do_not_break_the_bound(seed: int) -> None:
    bounded: Panel[Alike] = Panel(
        [LruPolicy()], bytes_max=1 << 30, entries_max=1 << 30, keys_max=8, share_max=1.0, seed=seed
    )
    for _ in range(50):
        bounded.enter(Alike(), FACTS)
        assert bounded.keys <= 8
