"""Whatever is added and removed, the exact index says what brute force says, and its books hold."""

import asyncio

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.cache.semantic.index import ExactIndex, Vector
from headrace.cache.semantic.scopes import Scopes

KEYS = st.integers(0, 40).map(lambda number: b"k%d" % number)
SEEDS = st.integers(0, 60)
SCOPES = st.sampled_from([b"one", b"two", b"three", b"four"])
DIMENSIONS = 8


def vector_of(seed: int) -> Vector:
    row = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return row / np.linalg.norm(row)


class Nearest(RuleBasedStateMachine):
    """An index beside a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.index = ExactIndex(DIMENSIONS)
        self.held: dict[bytes, Vector] = {}

    @rule(key=KEYS, seed=SEEDS)
    def add(self, key: bytes, seed: int) -> None:
        self.held[key] = vector_of(seed)
        self.index.add(key, self.held[key])

    @rule(key=KEYS)
    def remove(self, key: bytes) -> None:
        if self.held.pop(key, None) is not None:
            self.index.remove(key)

    @rule(seed=SEEDS, count=st.integers(1, 50))
    def ask(self, seed: int, count: int) -> None:
        vector = vector_of(seed)
        near = self.index.nearest(vector, count)
        truth = sorted((float(row @ vector) for row in self.held.values()), reverse=True)
        assert np.allclose([similarity for _, similarity in near], truth[:count], atol=1e-5)
        for key, similarity in near:
            assert abs(float(self.held[key] @ vector) - similarity) < 1e-5

    @invariant()
    def holds_the_same(self) -> None:
        assert len(self.index) == len(self.held)
        assert all(key in self.index for key in self.held)


class Bounds(RuleBasedStateMachine):
    """All scopes within their bounds, and nothing of a scope found in another."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes = Scopes(scopes_max=3, entries_max=5, bytes_max=40_000, exact_max=5)
        self.told: dict[bytes, bytes] = {}

    @rule(scope=SCOPES, key=KEYS, seed=SEEDS, text=st.text(max_size=2000))
    def add(self, scope: bytes, key: bytes, seed: int, text: str) -> None:
        asyncio.run(self.scopes.add(scope, key, text, vector_of(seed)))
        self.told[key] = scope

    @rule(key=KEYS)
    def remove(self, key: bytes) -> None:
        held = self.scopes.entry(key) is not None
        assert self.scopes.remove(key) is held

    @rule(key=KEYS)
    def touch(self, key: bytes) -> None:
        self.scopes.touch(key)

    @rule()
    def clear(self) -> None:
        self.scopes.clear()

    @invariant()
    def bounds_hold(self) -> None:
        scopes = self.scopes
        assert scopes.count <= 3
        assert scopes.bytes_held <= 40_000

    @invariant()
    def every_entry_is_where_it_was_put(self) -> None:
        total = weight = 0
        for name in set(self.told.values()):
            scope = self.scopes.scope(name)
            if scope is None:
                continue
            assert 0 < len(scope.entries) <= 5
            assert all(self.told[key] == name for key in scope.entries)
            assert all(key in scope.index for key in scope.entries)
            assert len(scope.index) == len(scope.entries)
            total += len(scope.entries)
            weight += scope.weight_bytes
        assert total == len(self.scopes)
        assert weight == self.scopes.bytes_held


TestNearest = Nearest.TestCase
TestNearest.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBounds = Bounds.TestCase
TestBounds.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
