"""Whatever is done to a cache of the toolkit, it does what the plainest cache would do."""

import math
from collections import OrderedDict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace import Cache
from headrace.clock import ManualClock
from headrace.toolkit.arguments import OVERHEAD_BYTES
from headrace.toolkit.missing import MISSING
from headrace.toolkit.weight import weight_of

KEYS = st.sampled_from("abcdefgh")
TTLS = st.none() | st.sampled_from([0.0, 1.0, 3.0, 30.0, 500.0, math.inf])
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


class Model(RuleBasedStateMachine):
    """A cache beside an ordered dictionary, oldest use first.

    What is expired may leave a cache a little late. So the dictionary follows what the cache's
    listener says has expired, after making sure that it has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.held: OrderedDict[str, Held] = OrderedDict()
        self.heard: list[tuple[str, str, str]] = []
        self.hits = self.misses = self.evictions = 0
        self.cache: Cache[str, str] = Cache(
            max_size=SIZE_MAX,
            max_bytes=BYTES_MAX,
            ttl=TTL_S,
            clock=self.clock,
            listeners=[lambda *event: self.heard.append(event)],
        )

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_s()

    @rule(key=KEYS, size=SIZES, ttl=TTLS, stale=st.sampled_from([0.0, 5.0]))
    def set(self, key: str, size: int, ttl: float | None, stale: float) -> None:
        value = "x" * size
        ttl_s = TTL_S if ttl is None else ttl
        is_held = self.cache.set(key, value, ttl, stale=stale)
        self.follow_expired()
        self.held.pop(key, None)
        weight = weight_of(key) + weight_of(value) + OVERHEAD_BYTES
        if ttl_s > 0 and weight <= BYTES_MAX:
            fresh_until_s = self.now_s + ttl_s
            self.held[key] = Held(value, fresh_until_s, fresh_until_s + stale, weight)
        while len(self.held) > SIZE_MAX or self.weight() > BYTES_MAX:
            self.held.popitem(last=False)
            self.evictions += 1
        assert is_held == (key in self.held)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        held = self.held.get(key)
        value = self.cache.get(key, "nothing")
        self.follow_expired()
        if held is not None and self.now_s < held.fresh_until_s:
            self.hits += 1
            self.held.move_to_end(key)
            assert value == held.value
        else:
            self.misses += 1
            assert value == "nothing"

    @rule(key=KEYS)
    def look(self, key: str) -> None:
        held = self.held.get(key)
        is_fresh = held is not None and self.now_s < held.fresh_until_s
        assert (key in self.cache) == is_fresh
        is_usable = held is not None and self.now_s < held.expires_s
        assert (self.cache.peek_stale(key) is not MISSING) == is_usable

    @rule(key=KEYS, value=st.sampled_from(["computed", "otherwise"]))
    def get_or_compute(self, key: str, value: str) -> None:
        held = self.held.get(key)
        known = held.value if held is not None and self.now_s < held.fresh_until_s else value
        assert self.cache.get_or_compute(key, lambda: value) == known
        self.follow_expired()
        if held is not None and self.now_s < held.fresh_until_s:
            self.hits += 1
            self.held.move_to_end(key)
            return
        self.misses += 1
        self.held.pop(key, None)
        fresh_until_s = self.now_s + TTL_S
        weight = weight_of(key) + weight_of(value) + OVERHEAD_BYTES
        self.held[key] = Held(value, fresh_until_s, fresh_until_s, weight)
        while len(self.held) > SIZE_MAX or self.weight() > BYTES_MAX:
            self.held.popitem(last=False)
            self.evictions += 1

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        held = self.held.pop(key, None)
        was_fresh = held is not None and self.now_s < held.fresh_until_s
        assert self.cache.delete(key) == was_fresh

    @rule()
    def clear(self) -> None:
        assert self.cache.clear() == len(self.held)
        self.held.clear()

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
        assert sorted(noted) == sorted(self.held)

    def follow_expired(self) -> None:
        for key, value, reason in self.heard:
            if reason == "expired":
                gone = self.held.pop(key)
                assert gone.value == value
                assert gone.expires_s <= self.now_s
        self.heard.clear()

    def weight(self) -> int:
        return sum(held.weight for held in self.held.values())


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
