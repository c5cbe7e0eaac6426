"""What has expired leaves memory by itself, in steps, and nothing else leaves with it."""

from collections import Counter
from collections.abc import Callable

import pytest

from headrace.cache.entry import Answer, Shape, Terms
from headrace.cache.memory import MemoryCache
from headrace.cache.policy import PolicyName, make_policy
from headrace.cache.purges import PurgeLedger

FRESH_S = 60.0
# How much later than its time an entry may be taken, for these lives.
LATE_S_MAX = 2.0


class House:
    """A cache, and why entries left it."""

    def __init__(
        self,
        policy: PolicyName = "lru",
        entries_max: int = 1000,
        on_use: Callable[[bytes], None] | None = None,
    ) -> None:
        self.left: Counter[str] = Counter()
        bytes_max = 1 << 30
        self.cache = MemoryCache(
            bytes_max=bytes_max,
            entries_max=entries_max,
            policy=make_policy(
                policy, bytes_max=bytes_max, entries_max=entries_max, score="dollars"
            ),
            ledger=PurgeLedger(),
            on_removal=lambda _entry, reason: self.left.update([reason]),
            on_use=on_use,
        )

    def store(self, number: int, *, at_s: float = 0.0, stale_s: float = 0.0) -> None:
        end_s = at_s + FRESH_S
        terms = Terms("t", (), 0, at_s, end_s, end_s + stale_s, end_s)
        given = Answer(200, (), b"{}", Shape.WHOLE, "p", "m")
        digest = b"d%d" % number
        assert self.cache.store(b"%d" % number, given, digest=digest, worth_usd=0.0, terms=terms)


@pytest.mark.parametrize("policy", ["lru", "s3fifo", "gdsf", "auto"])
def test_what_has_expired_leaves_in_small_steps_though_nobody_asks_for_it(policy: PolicyName):
    house = House(policy)
    for number in range(100):
        house.store(number)
    assert house.cache.expire(FRESH_S - 0.001, 30) == 0
    now_s = FRESH_S + LATE_S_MAX
    assert [house.cache.expire(now_s, 30) for _ in range(5)] == [30, 30, 30, 10, 0]
    assert (len(house.cache), house.cache.bytes_held, house.left) == (0, 0, {"expired": 100})
    assert house.cache.repeat(b"d1", 0.0) is None


def test_one_step_goes_through_many_short_lives():
    house = House()
    for number in range(100):
        house.store(number, at_s=float(number))
    assert house.cache.expire(1000.0, 64) == 64


def test_what_may_still_be_given_stale_stays():
    house = House()
    house.store(1, stale_s=1000.0)
    house.store(2)
    assert house.cache.expire(FRESH_S + 900.0, 9) == 1
    assert house.cache.find(b"1", FRESH_S + 900.0) is not None
    assert house.cache.expire(FRESH_S + 1100.0, 9) == 1


def test_what_came_anew_has_its_own_time():
    house = House()
    house.store(1)
    house.store(1, at_s=50.0)
    assert house.cache.expire(FRESH_S + LATE_S_MAX, 9) == 0
    assert house.cache.find(b"1", 100.0) is not None


def test_what_left_before_is_not_expired_once_more():
    house = House(entries_max=2)
    for number in range(4):
        house.store(number)
    house.cache.purge_key(b"3")
    assert house.cache.find(b"2", FRESH_S) is None
    assert house.cache.expire(1000.0, 9) == 0
    assert house.left == {"capacity": 2, "purged": 1, "expired": 1}


def test_every_use_is_told_and_a_look_is_none():
    used: list[bytes] = []
    house = House(on_use=used.append)
    house.store(1)
    house.store(2)
    assert house.cache.find(b"1", 0.0) is not None
    assert house.cache.repeat(b"d2", 0.0) is not None
    assert house.cache.peek(b"1", 0.0) is not None
    assert house.cache.find(b"3", 0.0) is None
    assert used == [b"1", b"2"]
