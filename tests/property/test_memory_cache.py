"""Whatever is done to the memory cache, its bounds and its books hold."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.cache.entry import Answer, Entry, Shape, Terms
from headrace.cache.memory import MemoryCache
from headrace.cache.policy import LruPolicy
from headrace.cache.purges import PurgeLedger
from headrace.limits import ENTRY_OVERHEAD_BYTES, REPEAT_OVERHEAD_BYTES

KEYS = st.sampled_from([b"%d" % number for number in range(8)])
TAGS = {b"%d" % number: "odd" if number % 2 else "even" for number in range(8)}
DIGESTS = st.sampled_from([b"d%d" % number for number in range(30)])
SIZES = st.integers(0, 4000)
BYTES = st.integers(1, 30_000)
ENTRIES = st.integers(1, 6)


def answer(size: int, shape: Shape = Shape.WHOLE) -> Answer:
    return Answer(200, (), bytes(size), shape, "p", "m")


class Books(RuleBasedStateMachine):
    """Random use of a small cache beside a plain account of what may be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.bytes_max, self.entries_max = 20_000, 5
        self.removed = 0
        self.stored = 0
        self.ledger = PurgeLedger()
        self.newest: dict[bytes, Answer] = {}
        self.meaning: dict[bytes, set[bytes]] = {}
        self.cache = MemoryCache(
            bytes_max=self.bytes_max,
            entries_max=self.entries_max,
            policy=LruPolicy(),
            ledger=self.ledger,
            on_removal=self.count,
        )

    def count(self, entry: Entry, reason: str) -> None:
        assert reason in ("capacity", "expired", "purged", "removed")
        self.removed += 1

    @rule(key=KEYS, size=SIZES, ttl_s=st.floats(-1, 20), digest=DIGESTS)
    def store(self, key: bytes, size: int, ttl_s: float, digest: bytes) -> None:
        given = answer(size)
        end_s = self.now_s + ttl_s
        terms = Terms("t", (TAGS[key],), self.ledger.latest, self.now_s, end_s, end_s, end_s)
        is_held = self.cache.store(key, given, digest=digest, worth_usd=0.0, terms=terms)
        if not is_held:
            assert end_s <= self.now_s or size + ENTRY_OVERHEAD_BYTES > self.bytes_max
            self.newest.pop(key, None)
            return
        self.stored += 1
        self.newest[key] = given
        self.meaning.setdefault(digest, set()).add(key)

    @rule(key=KEYS, digest=DIGESTS)
    def use(self, key: bytes, digest: bytes) -> None:
        entry = self.cache.find(key, self.now_s)
        if entry is not None:
            assert self.now_s < entry.terms.expires_s
            assert entry.answer(Shape.WHOLE) is self.newest[key]
            self.remember(digest, entry, self.newest[key])

    @rule(key=KEYS, size=SIZES)
    def reshape(self, key: bytes, size: int) -> None:
        entry = self.cache.find(key, self.now_s)
        if entry is not None:
            self.cache.add_shape(entry, answer(size, Shape.EVENTS))

    @rule(digest=DIGESTS)
    def repeat(self, digest: bytes) -> None:
        found = self.cache.repeat(digest, self.now_s)
        if found is not None:
            assert found.key in self.meaning[digest]
            assert found is self.newest[found.key]
            assert self.now_s < found.careful_s

    @rule(tag=st.sampled_from(("even", "odd")))
    def purge(self, tag: str) -> None:
        self.ledger.apply(f"tag:{tag}", self.ledger.latest + 1)
        for key in [key for key in self.newest if TAGS[key] == tag]:
            del self.newest[key]
            assert self.cache.find(key, self.now_s) is None

    @rule(digest=DIGESTS)
    def nothing_purged_is_repeated(self, digest: bytes) -> None:
        found = self.cache.repeat(digest, self.now_s)
        assert found is None or found.key in self.newest

    @rule(seconds=st.floats(0, 15))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(entries_max=st.integers(0, 4))
    def expire(self, entries_max: int) -> None:
        before = dict(self.cache._entries)
        left = self.cache.expire(self.now_s, entries_max)
        gone = [entry for key, entry in before.items() if key not in self.cache._entries]
        assert left == len(gone) <= entries_max
        assert all(entry.terms.expires_s <= self.now_s for entry in gone)

    @rule(bytes_max=BYTES, entries_max=ENTRIES)
    def resize(self, bytes_max: int, entries_max: int) -> None:
        self.bytes_max, self.entries_max = bytes_max, entries_max
        self.cache.resize(bytes_max=bytes_max, entries_max=entries_max)

    @rule()
    def forget_repeats(self) -> None:
        self.cache.forget_repeats()
        for digest in self.meaning:
            assert self.cache.repeat(digest, self.now_s) is None

    @rule()
    def clear(self) -> None:
        held = len(self.cache)
        assert self.cache.clear() == held
        assert (len(self.cache), self.cache.bytes_held) == (0, 0)

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.cache) <= self.entries_max
        assert 0 <= self.cache.bytes_held <= self.bytes_max

    @invariant()
    def weights_add_up(self) -> None:
        entries: list[Entry] = list(self.cache._entries.values())
        for entry in entries:
            shapes = [a for shape in Shape if (a := entry.answer(shape)) is not None]
            payload = sum(len(a.body) for a in shapes)
            repeats = REPEAT_OVERHEAD_BYTES * len(entry.repeats)
            assert entry.weight == ENTRY_OVERHEAD_BYTES + payload + repeats
        assert self.cache.bytes_held == sum(entry.weight for entry in entries)
        assert set(self.cache._repeats) == {d for entry in entries for d in entry.repeats}

    @invariant()
    def whatever_is_held_is_due_some_time_and_nothing_else(self) -> None:
        due = [key for bucket in self.cache._expiry._buckets.values() for key in bucket]
        assert sorted(due) == sorted(self.cache._entries)

    @invariant()
    def nothing_leaves_unheard(self) -> None:
        assert self.stored - self.removed == len(self.cache)

    def remember(self, digest: bytes, entry: Entry, given_answer: Answer) -> None:
        self.cache.add_repeat(digest, entry, given_answer)
        self.meaning.setdefault(digest, set()).add(entry.key)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
