"""Whatever is done to a cache on disk through several openings, all of them see the same.

And whatever happens to its file, nobody is given a value that was not stored.
"""

import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace import NotStorable, SimpleCache
from headrace.clock import ManualClock
from headrace.toolkit.disk_book import SKEW_S

KEYS = st.sampled_from(["a", "b", b"a", "", "\ud800", "k" * 2000])
OPENINGS = st.integers(0, 2)
TTL_S = 100.0
TTLS = st.none() | st.sampled_from([0.0, 1.0, 50.0, math.inf])
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
ODD: list[Any] = ["\udfff", ["\udfff"], {"\ud800": 2**70}, 2**64, [-(2**200)], -0.0, "x" * 9000]
VALUES = JSON | st.binary(max_size=20) | st.sampled_from(ODD)
NO_JSON: dict[str, Any] = {
    "NaN": math.nan,
    "infinite": -math.inf,
    "too many digits": 10**5000,
    "tuple": (1,),
    "set": {1},
    "number for a key": {1: 1},
    "object": object(),
    "bytes within": b"a",
}
SECONDS = st.sampled_from([0.0, 0.5, 1.0, 49.0, 100.0, 1e6, -1.0, -30.0, -500.0])


class Model(RuleBasedStateMachine):
    """Three openings of one file beside a dictionary of what was stored when, and for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.held: dict[str | bytes, tuple[Any, float, float]] = {}
        self.open = [self.opened() for _ in range(3)]

    def opened(self) -> SimpleCache:
        return SimpleCache(TTL_S, path=Path(self.folder.name) / "cache.db", clock=self.clock)

    def teardown(self) -> None:
        for cache in self.open:
            cache.close()
        self.folder.cleanup()

    @rule(opening=OPENINGS, key=KEYS, value=VALUES, ttl=TTLS)
    def set(self, opening: int, key: Any, value: Any, ttl: float | None) -> None:
        is_held = self.open[opening].set(key, value, ttl_override=ttl)
        ttl_s = TTL_S if ttl is None else ttl
        assert is_held == (ttl_s > 0)
        self.held.pop(key, None)
        if is_held:
            self.held[key] = (value, self.clock.wall_s(), ttl_s)

    @rule(opening=OPENINGS, key=KEYS, kind=st.sampled_from(sorted(NO_JSON)))
    def set_what_is_not_storable(self, opening: int, key: Any, kind: str) -> None:
        with pytest.raises(NotStorable):
            self.open[opening].set(key, [NO_JSON[kind]])

    @rule(opening=OPENINGS, key=KEYS, ttl=TTLS)
    def get(self, opening: int, key: Any, ttl: float | None) -> None:
        given = self.open[opening].get(key, "nothing", ttl_override=ttl)
        value, stored_s, ttl_s = self.held.get(key, ("nothing", 0.0, 0.0))
        age_s = self.clock.wall_s() - stored_s
        is_alive = -SKEW_S <= age_s < (ttl_s if ttl is None else ttl)
        expected = value if is_alive else "nothing"
        # By what they say in full: 1 and True, 0.0 and -0.0 are equal.
        assert (type(given), repr(given)) == (type(expected), repr(expected))

    @rule(opening=OPENINGS, key=KEYS)
    def invalidate(self, opening: int, key: Any) -> None:
        held = self.held.pop(key, None)
        assert self.open[opening].invalidate(key) == (held is not None)

    @rule(opening=OPENINGS)
    def invalidate_all(self, opening: int) -> None:
        assert self.open[opening].invalidate() == len(self.held)
        self.held.clear()
        assert self.open[opening].get_size() == 0

    @rule(opening=OPENINGS)
    def clean_up(self, opening: int) -> None:
        now_s = self.clock.wall_s()
        gone = [
            key
            for key, (_, stored_s, ttl_s) in self.held.items()
            if stored_s + ttl_s <= now_s or stored_s > now_s + SKEW_S
        ]
        assert self.open[opening].cleanup_expired() == len(gone)
        for key in gone:
            del self.held[key]
        for cache in self.open:  # what one process remembers may outlive it, though not its time
            cache.book._front.clear()

    @rule(opening=OPENINGS)
    def open_again(self, opening: int) -> None:
        self.open[opening].close()
        self.open[opening] = self.opened()

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def counts_the_same(self) -> None:
        assert self.open[0].book.count(0) == len(self.held)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)

# Where SQLite says what file it is: what looks like somebody else's is left alone.
HEAD_BYTES = 100
STORED: dict[str, Any] = {
    f"key {number}": value
    for number in range(8)
    for value in [
        (b"bytes" * number, "text" * number, {"a": [number, 1.5]}, ["\ud800"])[number % 4]
    ]
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as it should be."""
    path = tmp_path_factory.mktemp("whole") / "cache.db"
    with SimpleCache(math.inf, path=path) as cache:
        for key, value in STORED.items():
            cache.set(key, value)
    return path


@given(
    places=st.lists(
        # What it says of its tables, and anything.
        st.integers(3400, 4095) | st.floats(0, 0.9999),
        min_size=1,
        max_size=20,
    ),
    bit=st.integers(0, 7),
)
@settings(max_examples=80, deadline=None)
def test_damage_gives_no_wrong_values_and_is_survived(
    whole: Path, places: list[float], bit: int
) -> None:
    damaged = bytearray(whole.read_bytes())
    for place in places:
        at = place if isinstance(place, int) else int(place * len(damaged))
        at = max(at, HEAD_BYTES)
        damaged[at] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cache.db"
        path.write_bytes(damaged)
        with SimpleCache(path=path) as cache:
            for key, value in STORED.items():
                given = cache.get(key)
                assert given is None or (type(given), given) == (type(value), value)
            assert cache.set("new", 1)
            assert cache.get("new") == 1
            cache.cleanup_expired()
            cache.invalidate()
            assert cache.get("new") is None
