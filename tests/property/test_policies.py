"""Every policy names the same victims as a slow model of it that keeps everything in lists."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cache.policy import GdsfPolicy, LruPolicy, Policy, S3FifoPolicy

KEYS = [b"%d" % number * 16 for number in range(12)]
SIZES = (100, 100, 150, 1000, 4096, 0, 1 << 70)
WORTHS = (3e-4, 3e-4, 0.002, 0.1, 0.0, -1.0, 1e300, float("inf"), float("nan"))
# Three bytes make a step: drawn as one value, hundreds of steps take no time.
STEPS = st.binary(min_size=150, max_size=900)


def steps_of(data: bytes) -> Iterator[tuple[str, bytes, int, float]]:
    """What is done to which key; in every other run all keys are alike, and few."""
    is_narrow = data[0] % 2
    keys, sizes, worths = (KEYS[:4], SIZES[:3], WORTHS[:2]) if is_narrow else (KEYS, SIZES, WORTHS)
    for action, key, facts in zip(data[::3], data[1::3], data[2::3], strict=False):
        step = "evict" if action < 40 else "remove" if action < 50 else "use"
        size, worth = sizes[facts % len(sizes)], worths[facts // len(sizes) % len(worths)]
        yield step, keys[key % len(keys)], size, worth


class Model(Protocol):
    """A policy that may be as slow as it likes."""

    def insert(self, key: bytes, size: int, worth: float) -> None: ...
    def touch(self, key: bytes) -> None: ...
    def remove(self, key: bytes) -> None: ...
    def evict(self) -> bytes: ...


class LruModel:
    def __init__(self) -> None:
        self.order: list[bytes] = []

    def insert(self, key: bytes, size: int, worth: float) -> None:
        self.order.append(key)

    def touch(self, key: bytes) -> None:
        self.order.remove(key)
        self.order.append(key)

    def remove(self, key: bytes) -> None:
        self.order.remove(key)

    def evict(self) -> bytes:
        return self.order.pop(0)


class S3FifoModel:
    """Algorithm 1 of the paper, in bytes, with no more ghosts than keys are held."""

    def __init__(self) -> None:
        self.small: list[bytes] = []
        self.main: list[bytes] = []
        self.ghosts: list[bytes] = []
        self.sizes: dict[bytes, int] = {}
        self.uses: dict[bytes, int] = {}

    def insert(self, key: bytes, size: int, worth: float) -> None:
        self.sizes[key], self.uses[key] = size, 0
        (self.main if key in self.ghosts else self.small).append(key)
        self.ghosts = [ghost for ghost in self.ghosts if ghost != key]

    def touch(self, key: bytes) -> None:
        self.uses[key] = min(3, self.uses[key] + 1)

    def remove(self, key: bytes) -> None:
        (self.small if key in self.small else self.main).remove(key)
        self.leave(key)

    def leave(self, key: bytes) -> None:
        del self.sizes[key], self.uses[key]
        self.ghosts = self.ghosts[max(0, len(self.ghosts) - len(self.sizes)) :]

    def evict(self) -> bytes:
        while True:
            small_bytes = sum(self.sizes[key] for key in self.small)
            is_small_full = 10 * small_bytes >= sum(self.sizes.values())
            if self.small and (is_small_full or not self.main):
                key = self.small.pop(0)
                if self.uses[key] < 2:
                    self.ghosts.append(key)
                    self.leave(key)
                    return key
                self.main.append(key)
                self.uses[key] = 0
            else:
                key = self.main.pop(0)
                if not self.uses[key]:
                    self.leave(key)
                    return key
                self.uses[key] -= 1
                self.main.append(key)


class GdsfModel:
    """The formula of the paper, reckoned late, without any structure."""

    def __init__(self, *, admission: bool) -> None:
        self.admission = admission
        self.clock = 0
        self.turns = 0
        self.density: dict[bytes, int] = {}
        self.uses: dict[bytes, int] = {}
        self.reckoned: dict[bytes, int] = {}
        self.contests: Counter[bytes] = Counter()
        self.rank: dict[bytes, tuple[int, int, int]] = {}
        self.seen: Counter[bytes] = Counter()
        self.newcomer: tuple[bytes, int] | None = None

    def insert(self, key: bytes, size: int, worth: float) -> None:
        bounded = min(max(1e-6, worth), 1e6)
        self.density[key] = max(1, int(bounded * 10**18) // max(1, size))
        self.uses[key] = 1
        self.contests[key] = 0
        self.reckon(key)
        self.count(key, 1)
        self.newcomer = key, self.seen[key]

    def touch(self, key: bytes) -> None:
        self.uses[key] += 1

    def reckon(self, key: bytes) -> None:
        self.turns += 1
        self.reckoned[key] = self.uses[key]
        value = self.uses[key] * self.density[key]
        unit = max(1, 1 << value.bit_length() - 4) if value > 15 else 1
        value -= value % unit
        self.rank[key] = self.clock + value, value, self.turns

    def count(self, key: bytes, times: int) -> None:
        self.seen[key] = min(15, self.seen[key] + times)

    def remove(self, key: bytes) -> None:
        self.count(key, self.uses.pop(key) - 1)
        del self.density[key], self.rank[key]
        if self.newcomer is not None and self.newcomer[0] == key:
            self.newcomer = None

    def evict(self) -> bytes:
        victim = min(self.rank, key=self.rank.__getitem__)
        while self.uses[victim] != self.reckoned[victim]:
            self.reckon(victim)
            victim = min(self.rank, key=self.rank.__getitem__)
        if self.admission and self.newcomer is not None and self.newcomer[0] != victim:
            newcomer, seen = self.newcomer
            deserved = min(15, max(seen, self.uses[newcomer])) * self.density[newcomer]
            standing = 16 * min(15, self.uses[victim]) - self.contests[victim]
            if 16 * deserved < standing * self.density[victim]:
                self.contests[victim] += 1
                self.remove(newcomer)
                return newcomer
        self.clock = self.rank[victim][0]
        self.remove(victim)
        return victim


CASES = {
    "lru": (LruPolicy[bytes], LruModel),
    "s3fifo": (S3FifoPolicy[bytes], S3FifoModel),
    "gdsf": (GdsfPolicy[bytes], lambda: GdsfModel(admission=True)),
    "gdsf for all": (
        lambda: GdsfPolicy[bytes](admission=False),
        lambda: GdsfModel(admission=False),
    ),
}


@pytest.mark.parametrize("name", CASES)
@given(data=STEPS)
def test_names_the_victims_of_its_model(name: str, data: bytes) -> None:
    make_policy, make_model = CASES[name]
    policy: Policy[bytes] = make_policy()
    model: Model = make_model()
    held: set[bytes] = set()
    for step, key, size, worth in steps_of(data):
        if step == "evict" and held:
            victim = policy.evict()
            assert victim == model.evict()
            held.remove(victim)
        elif step == "use" and key not in held:
            held.add(key)
            policy.insert(key, size, worth)
            model.insert(key, size, worth)
        elif step == "use" and key in held:
            policy.touch(key)
            model.touch(key)
        elif step == "remove" and key in held:
            held.remove(key)
            policy.remove(key)
            model.remove(key)
    assert sorted(policy.evict() for _ in sorted(held)) == sorted(held)
    with pytest.raises(KeyError):
        policy.evict()
