"""A shadow holds what its policy would have held."""

from headrace.cache.policy import LruPolicy
from headrace.cache.policy.shadow import Shadow


def shadow(*, bytes_max: int = 100, entries_max: int = 3) -> Shadow[str]:
    return Shadow(LruPolicy(), bytes_max=bytes_max, entries_max=entries_max)


def used(lru: Shadow[str], keys: str, size: int = 10) -> str:
    """Which of these uses were hits."""
    return "".join(key for key in keys if lru.use(key, size, 0.0))


def test_tells_hits_and_forgets_who_leaves() -> None:
    lru = shadow()
    assert used(lru, "abcab") == "ab"
    assert used(lru, "dcba") == "b"
    assert len(lru) == 3


def test_holds_no_more_bytes_than_it_has_room_for() -> None:
    lru = shadow(bytes_max=25)
    assert used(lru, "abcabc") == ""
    assert used(lru, "cb") == "cb"
    assert used(lru, "ee", size=26) == ""
    assert used(lru, "cb") == "cb"


def test_lets_go_of_keys() -> None:
    lru = shadow()
    used(lru, "abc")
    lru.discard("b")
    lru.discard("x")
    assert used(lru, "bac") == "ac"
    lru.keep(lambda key: key in "bx")
    assert len(lru) == 1
    assert used(lru, "b") == "b"


def test_a_smaller_room_holds_less_at_once() -> None:
    lru = shadow()
    used(lru, "abc")
    lru.resize(bytes_max=20, entries_max=3)
    assert len(lru) == 2
    lru.resize(bytes_max=20, entries_max=1)
    assert used(lru, "c") == "c"
    assert len(lru) == 1
