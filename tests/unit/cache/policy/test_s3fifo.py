"""Newcomers are tried, ghosts come back, and one eviction does a bounded amount of work."""

from headrace.cache.policy import S3FifoPolicy
from headrace.cache.policy.s3fifo import CHANCES_MAX


def full(keys: int) -> S3FifoPolicy[int]:
    """A policy whose main queue holds `keys` keys of one byte."""
    policy = S3FifoPolicy[int]()
    for key in range(keys):
        policy.adopt(key, 1, 0.0)
    return policy


def test_a_scan_leaves_through_the_small_queue() -> None:
    policy = full(90)
    for key in range(1000, 1010):
        policy.insert(key, 1, 0.0)
    left = []
    for key in range(1010, 3000):
        policy.insert(key, 1, 0.0)
        left.append(policy.evict())
    assert min(left) >= 1000


def test_who_comes_back_as_a_ghost_is_kept() -> None:
    policy = full(90)
    for key in range(1000, 1020):
        policy.insert(key, 1, 0.0)
    assert policy.evict() == 1000
    policy.insert(1000, 1, 0.0)
    assert [policy.evict() for _ in range(9)] == list(range(1001, 1010))


def test_who_was_used_twice_is_kept() -> None:
    policy = full(90)
    for key in range(1000, 1020):
        policy.insert(key, 1, 0.0)
    policy.touch(1000)
    policy.touch(1000)
    policy.touch(1001)
    assert policy.evict() == 1001


def test_the_share_of_the_small_queue_is_in_bytes() -> None:
    policy = full(90)
    policy.insert(1000, 9, 0.0)
    assert policy.evict() == 0
    policy.insert(1001, 1, 0.0)
    assert policy.evict() == 1000


def test_remembers_no_more_ghosts_than_keys_are_held() -> None:
    policy = S3FifoPolicy[int]()
    for key in range(100):
        policy.insert(key, 1, 0.0)
    for key in range(100, 1000):
        policy.insert(key, 1, 0.0)
        policy.evict()
    assert policy.ghosts == 100
    for held in range(100):
        policy.evict()
        assert policy.ghosts <= 99 - held
    assert policy.ghosts == 0


def test_ghosts_leave_with_keys_that_are_removed() -> None:
    policy = S3FifoPolicy[int]()
    for key in range(20):
        policy.insert(key, 1, 0.0)
    for key in range(10):
        assert policy.evict() == key
    assert policy.ghosts == 10
    policy.remove(19)
    assert policy.ghosts == 9


def test_one_eviction_gives_a_bounded_number_of_chances() -> None:
    policy = full(10 * CHANCES_MAX)
    for key in range(10 * CHANCES_MAX):
        policy.touch(key)
    assert policy.evict() == CHANCES_MAX
