"""Whatever is done to a cache of the toolkit, it does what the plainest cache would do."""

import math
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace import Cache
from headrace.cache.policy import PolicyName
from headrace.clock import ManualClock
from headrace.toolkit.arguments import OVERHEAD_BYTES, policy_of
from headrace.toolkit.missing import MISSING
from headrace.toolkit.weight import weight_of

KEYS = st.sampled_from("abcdefgh")
TTLS = st.none() | st.sampled_from([0.0, 1.0, 3.0, 30.0, 500.0, math.inf])
COSTS = st.sampled_from([0.0, 0.001, 1.0, 50.0])
SIZES = st.sampled_from([0, 10, 700, 2000, 9000])
TTL_S = 10.0
SIZE_MAX = 4
BYTES_MAX = 6000


class Held:
    """What the plainest cache knows of a value."""

    def __init__(self, value: str, fresh_until_s: float, expires_s: float, weight: int) -> None:
        self.value = value
        self.fresh_until_s = fresh_until_s
        self.expires_s = expires_s
        self.weight = weight


class Oldest:
    """Least recently used, as plain as can be."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def insert(self, key: str, size: int, worth: float) -> None:
        self.order.append(key)

    def touch(self, key: str) -> None:
        self.order.append(self.order.pop(self.order.index(key)))

    def remove(self, key: str) -> None:
        self.order.remove(key)

    def evict(self) -> str:
        return self.order.pop(0)


class Model(RuleBasedStateMachine):
    """A cache beside a dictionary, and a policy of its own that is told everything at once.

    What is expired may leave a cache a little late. So the dictionary follows what the cache's
    listener says has expired, after making sure that it has.
    """

    policy: PolicyName = "lru"

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.held: dict[str, Held] = {}
        self.order: Any = self.made_order()
        self.heard: list[tuple[str, str, str]] = []
        self.hits = self.misses = self.evictions = 0
        self.cache: Cache[str, str] = Cache(
            max_size=SIZE_MAX,
            max_bytes=BYTES_MAX,
            ttl=TTL_S,
            policy=self.policy,
            clock=self.clock,
            listeners=[lambda *event: self.heard.append(event)],
        )

    def made_order(self) -> Any:
        return Oldest()

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_s()

    @rule(key=KEYS, size=SIZES, ttl=TTLS, stale=st.sampled_from([0.0, 5.0]), cost=COSTS)
    def set(self, key: str, size: int, ttl: float | None, stale: float, cost: float) -> None:
        value = "x" * size
        is_held = self.cache.set(key, value, ttl, stale=stale, cost=cost)
        self.follow_expired()
        self.hold(key, value, TTL_S if ttl is None else ttl, stale, cost)
        assert is_held == (key in self.held)

    def hold(self, key: str, value: str, ttl_s: float, stale_s: float, cost: float) -> None:
        weight = weight_of(key) + weight_of(value) + OVERHEAD_BYTES
        is_fitting = ttl_s > 0 and weight <= BYTES_MAX
        old = self.held.get(key)
        if old is not None and is_fitting and old.weight / 2 <= weight <= old.weight * 2:
            self.order.touch(key)
        else:
            self.drop(key)
            if not is_fitting:
                return
            self.order.insert(key, weight, cost)
        fresh_until_s = self.now_s + ttl_s
        self.held[key] = Held(value, fresh_until_s, fresh_until_s + stale_s, weight)
        while len(self.held) > SIZE_MAX or self.weight() > BYTES_MAX:
            del self.held[self.order.evict()]
            self.evictions += 1

    def drop(self, key: str) -> Held | None:
        held = self.held.pop(key, None)
        if held is not None:
            self.order.remove(key)
        return held

    def use(self, key: str) -> Held | None:
        held = self.held.get(key)
        if held is None or self.now_s >= held.fresh_until_s:
            self.misses += 1
            return None
        self.hits += 1
        self.order.touch(key)
        return held

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        value = self.cache.get(key, "nothing")
        held = self.use(key)
        self.follow_expired()
        assert value == ("nothing" if held is None else held.value)

    @rule(key=KEYS)
    def look(self, key: str) -> None:
        held = self.held.get(key)
        is_fresh = held is not None and self.now_s < held.fresh_until_s
        assert (key in self.cache) == is_fresh
        is_usable = held is not None and self.now_s < held.expires_s
        assert (self.cache.peek_stale(key) is not MISSING) == is_usable

    @rule(key=KEYS, value=st.sampled_from(["computed", "otherwise"]))
    def get_or_compute(self, key: str, value: str) -> None:
        given = self.cache.get_or_compute(key, lambda: value, cost=1.0)
        held = self.use(key)
        self.follow_expired()
        assert given == (value if held is None else held.value)
        if held is None:
            self.hold(key, value, TTL_S, 0.0, 1.0)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        held = self.drop(key)
        was_fresh = held is not None and self.now_s < held.fresh_until_s
        assert self.cache.delete(key) == was_fresh

    @rule()
    def clear(self) -> None:
        assert self.cache.clear() == len(self.held)
        for key in list(self.held):
            self.drop(key)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0, 40.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def holds_the_same(self) -> None:
        assert len(self.cache) == len(self.held) <= SIZE_MAX
        assert set(self.cache._entries) == set(self.held)

    @invariant()
    def the_books_are_right(self) -> None:
        stats = self.cache.stats()
        assert (stats.hits, stats.misses, stats.evictions) == (
            self.hits,
            self.misses,
            self.evictions,
        )
        assert stats.bytes_held == self.weight() <= BYTES_MAX
        noted = [key for bucket in self.cache._expiry._buckets.values() for key in bucket]
        ending = [key for key, held in self.held.items() if held.expires_s < math.inf]
        assert sorted(noted) == sorted(ending)

    def follow_expired(self) -> None:
        for key, value, reason in self.heard:
            if reason == "expired":
                gone = self.drop(key)
                assert gone is not None
                assert gone.value == value
                assert gone.expires_s <= self.now_s
        self.heard.clear()

    def weight(self) -> int:
        return sum(held.weight for held in self.held.values())


class OtherPolicies(Model):
    """The same with a policy of the same kind, which is told of each use as it happens."""

    def made_order(self) -> Any:
        return policy_of(self.policy, SIZE_MAX, BYTES_MAX)


class S3Fifo(OtherPolicies):
    policy = "s3fifo"


class Gdsf(OtherPolicies):
    policy = "gdsf"


class Auto(OtherPolicies):
    policy = "auto"


TestLru = Model.TestCase
TestS3Fifo = S3Fifo.TestCase
TestGdsf = Gdsf.TestCase
TestAuto = Auto.TestCase
for case in (TestLru, TestS3Fifo, TestGdsf, TestAuto):
    case.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
