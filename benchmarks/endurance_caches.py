"""The caches that work at their bound for long, and a book beside each of what it should hold.

The book does not ask the cache how much it holds. It adds up what it put in and takes off what
it is told has left, so that the two sums can be held against each other.
"""

from collections.abc import Mapping
from hashlib import blake2b
from struct import Struct
from sys import getsizeof
from typing import Final, Protocol, get_args

from benchmarks.key_stream import Terms
from headrace import Cache
from headrace.cache.entry import Answer, Entry, Shape
from headrace.cache.entry import Terms as StoredTerms
from headrace.cache.memory import MemoryCache
from headrace.cache.policy import PolicyName, make_policy
from headrace.cache.purges import PurgeLedger
from headrace.clock import ManualClock
from headrace.limits import ENTRY_OVERHEAD_BYTES, REPEAT_OVERHEAD_BYTES, REPEATS_PER_ENTRY_MAX
from headrace.toolkit.arguments import OVERHEAD_BYTES
from headrace.toolkit.stats import Reason

MARK: Final = Struct("<qd")  # number of the key, end of its life
FILLER: Final = bytes(range(256)) * 256
ENTRIES_MAX: Final = 1 << 40
EXPIRED_PER_STEP: Final = 64
TENANT, PROVIDER, MODEL = "bench", "mock", "bench"
POLICIES: Final[tuple[PolicyName, ...]] = get_args(PolicyName)
TOOLKIT: Final = "toolkit Cache"


class Book:
    """What a cache should hold, and what has become of the rest.

    Attributes:
        bytes: the sum of what should be held.
        reasons: how many entries left, by reason.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.reasons: dict[str, int] = {}
        self._held: dict[int, tuple[object, int]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def came(self, number: int, value: object, size: int) -> None:
        """A value of so many bytes takes the place of whatever the key held."""
        if (before := self._held.pop(number, None)) is not None:
            self.bytes -= before[1]
        self._held[number] = value, size
        self.bytes += size

    def grew(self, number: int, size: int) -> None:
        """What the key holds became larger."""
        value, before = self._held[number]
        self._held[number] = value, before + size
        self.bytes += size

    def left(self, number: int, value: object, reason: str) -> None:
        """A value has left; where another one took its place, nothing changes here."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if (held := self._held.get(number)) is not None and held[0] is value:
            del self._held[number]
            self.bytes -= held[1]


class Contender(Protocol):
    """A cache under load.

    Attributes:
        book: beside it.
    """

    book: Book

    @property
    def bytes_held(self) -> int:
        """What it says it holds."""
        ...

    def look_up(self, number: int) -> bytes | None:
        """The value of a key."""
        ...

    def store(self, number: int, value: bytes, terms: Terms) -> None:
        """Hold a value."""
        ...

    def add(self, number: int, value: bytes, terms: Terms) -> None:
        """Do the less common thing."""
        ...

    def remove(self, number: int) -> None:
        """Drop a key."""
        ...

    def keep_up(self) -> None:
        """What has to be done now and then."""
        ...


def value_of(number: int, ends_s: float, size: int) -> bytes:
    """A value of its own that tells which key it is of, and how long it is good."""
    return MARK.pack(number, ends_s) + FILLER[: max(0, size - MARK.size)]


def is_right(value: bytes, number: int, now_s: float) -> bool:
    """Whether a value is of this key and still good."""
    of, ends_s = MARK.unpack_from(value)
    return bool(of == number and now_s < ends_s)


class GatewayMemory:
    """The gateway's memory tier.

    Args:
        policy: which entry leaves.
        bytes_max: its bound.
        clock: the time.
    """

    def __init__(self, policy: PolicyName, bytes_max: int, clock: ManualClock) -> None:
        self.book = Book()
        self._clock = clock
        self._cache = MemoryCache(
            bytes_max=bytes_max,
            entries_max=ENTRIES_MAX,
            policy=make_policy(policy, bytes_max=bytes_max, entries_max=bytes_max // 1000),
            ledger=PurgeLedger(clock),
            on_removal=self._left,
        )

    @property
    def bytes_held(self) -> int:
        return self._cache.bytes_held

    def look_up(self, number: int) -> bytes | None:
        now_s, key = self._clock.monotonic_s(), _key(number)
        answer = self._cache.repeat(key, now_s)
        if answer is None and (entry := self._cache.find(key, now_s)) is not None:
            answer = entry.whole
        return answer.body if answer is not None else None

    def store(self, number: int, value: bytes, terms: Terms) -> None:
        key, now_s = _key(number), self._clock.monotonic_s()
        ends_s = now_s + terms.ttl_s
        stored = StoredTerms(TENANT, (), 0, now_s, ends_s, ends_s, ends_s)
        answer = _answer(value, Shape.WHOLE)
        weight = len(value) + ENTRY_OVERHEAD_BYTES + REPEAT_OVERHEAD_BYTES
        self.book.came(number, answer, weight)
        self._cache.store(key, answer, digest=key, worth_usd=terms.worth_usd, terms=stored)

    def add(self, number: int, value: bytes, terms: Terms) -> None:
        """Another shape of the answer, or another body that asked for it."""
        entry = self._cache.find(_key(number), self._clock.monotonic_s())
        if entry is None or entry.whole is None:
            self.store(number, value, terms)
        elif entry.events is None:
            self.book.grew(number, len(value))
            self._cache.add_shape(entry, _answer(value, Shape.EVENTS))
        elif len(entry.repeats) < REPEATS_PER_ENTRY_MAX:
            self.book.grew(number, REPEAT_OVERHEAD_BYTES)
            digest = b"%d-%d" % (number, len(entry.repeats))
            self._cache.add_repeat(digest, entry, entry.whole)

    def remove(self, number: int) -> None:
        self._cache.purge_key(_key(number))

    def keep_up(self) -> None:
        self._cache.expire(self._clock.monotonic_s(), EXPIRED_PER_STEP)

    def _left(self, entry: Entry, reason: str) -> None:
        assert entry.whole is not None
        self.book.left(MARK.unpack_from(entry.whole.body)[0], entry.whole, reason)


class Toolkit:
    """The toolkit's cache, as it is without any wishes but a bound.

    Args:
        bytes_max: its bound.
        clock: the time.
    """

    def __init__(self, bytes_max: int, clock: ManualClock) -> None:
        self.book = Book()
        self._cache: Cache[str, bytes] = Cache(
            max_bytes=bytes_max, listeners=(self._left,), clock=clock
        )

    @property
    def bytes_held(self) -> int:
        return self._cache.stats().bytes_held

    def look_up(self, number: int) -> bytes | None:
        return self._cache.get(_name(number))

    def store(self, number: int, value: bytes, terms: Terms) -> None:
        self._came(number, value)
        self._cache.set(_name(number), value, terms.ttl_s, cost=terms.worth_usd)

    def add(self, number: int, value: bytes, terms: Terms) -> None:
        """The value, or else compute it."""

        def compute() -> bytes:
            self._came(number, value)
            return value

        self._cache.get_or_compute(_name(number), compute, ttl=terms.ttl_s, cost=terms.worth_usd)

    def remove(self, number: int) -> None:
        self._cache.delete(_name(number))

    def keep_up(self) -> None:
        """It does so itself."""

    def _came(self, number: int, value: bytes) -> None:
        size = OVERHEAD_BYTES + getsizeof(_name(number)) + getsizeof(value)
        self.book.came(number, value, size)

    def _left(self, key: str, value: bytes, reason: Reason) -> None:
        self.book.left(int(key), value, reason)


def contenders() -> Mapping[str, PolicyName | None]:
    """Names of all, and the policy where it is the gateway's memory."""
    return {**{f"gateway memory, {policy}": policy for policy in POLICIES}, TOOLKIT: None}


def make(name: str, bytes_max: int, clock: ManualClock) -> Contender:
    """A cache by its name.

    Raises:
        KeyError: there is none of this name.
    """
    policy = contenders()[name]
    return Toolkit(bytes_max, clock) if policy is None else GatewayMemory(policy, bytes_max, clock)


def _key(number: int) -> bytes:
    return blake2b(b"%d" % number, digest_size=16).digest()


def _name(number: int) -> str:
    return str(number)


def _answer(value: bytes, shape: Shape) -> Answer:
    return Answer(200, (), value, shape, PROVIDER, MODEL)
