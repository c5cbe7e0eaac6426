"""The memory tier: bounded in bytes and entries, found by canonical key or by raw digest.

Two dictionaries lead to an entry. `_entries` holds it by canonical key. `_repeats` holds the
digests of raw bodies that were seen to mean that key, each with the very answer they got, so
that a byte-identical repeat costs two look-ups and no parsing. An entry that leaves takes its
repeats with it.

What has expired leaves by and by, in `expire`, which whoever keeps time calls: never all at once.
"""

from collections.abc import Callable

from headrace.cache.entry import Answer, Entry, Terms
from headrace.cache.expiry import Expiry, bucket_width_s
from headrace.cache.policy import Policy, SelectingPolicy, SelectorState
from headrace.cache.purges import PurgeLedger
from headrace.limits import ENTRY_OVERHEAD_BYTES, REPEAT_OVERHEAD_BYTES, REPEATS_PER_ENTRY_MAX

OnRemoval = Callable[[Entry, str], None]
OnUse = Callable[[bytes], None]


class MemoryCache:
    """Answers in memory. Belongs to one event loop; not thread-safe.

    Args:
        bytes_max: bound on what is held, payloads and a stated overhead per entry, in bytes.
        entries_max: bound on the number of entries.
        policy: which entry leaves when a bound is reached.
        ledger: what has been purged; an entry is held against it before it is given.
        on_removal: told of every entry that left, and why: `capacity`, `expired`, `purged` or
            `removed`.
        on_use: told the key of every use, where somebody wants to know; every hit waits for it.
    """

    def __init__(
        self,
        *,
        bytes_max: int,
        entries_max: int,
        policy: Policy[bytes],
        ledger: PurgeLedger,
        on_removal: OnRemoval,
        on_use: OnUse | None = None,
    ) -> None:
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        self._policy = policy
        self._ledger = ledger
        self._touch = policy.touch if on_use is None else _both(on_use, policy.touch)
        self._on_removal = on_removal
        self._entries: dict[bytes, Entry] = {}
        self._repeats: dict[bytes, Answer] = {}
        self._expiry: Expiry[bytes] = Expiry()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes_max(self) -> int:
        """Bound on what the entries weigh, in bytes."""
        return self._bytes_max

    @property
    def bytes_held(self) -> int:
        """What the entries weigh, in bytes."""
        return self._bytes

    @property
    def selector(self) -> SelectorState | None:
        """How the choice among policies stands, where one is made."""
        policy = self._policy
        return policy.state if isinstance(policy, SelectingPolicy) else None

    def repeat(self, digest: bytes, now_s: float) -> Answer | None:
        """The answer that this very body got before, where nothing else has to be looked at."""
        answer = self._repeats.get(digest)
        if answer is None:
            return None
        if now_s >= answer.careful_s:
            return None
        if answer.seq < self._ledger.latest and not self._has_survived(self._entries[answer.key]):
            return None
        self._touch(answer.key)
        return answer

    def find(self, key: bytes, now_s: float) -> Entry | None:
        """The entry of a canonical key, fresh or stale."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now_s >= entry.terms.expires_s:
            self._remove(entry, "expired")
            return None
        if entry.seq < self._ledger.latest and not self._has_survived(entry):
            return None
        self._touch(key)
        return entry

    def peek(self, key: bytes, now_s: float) -> Entry | None:
        """The entry of a canonical key that counts, without that being a use of it."""
        entry = self._entries.get(key)
        if entry is None or now_s >= entry.terms.expires_s:
            return None
        if entry.seq < self._ledger.latest and not self._outlives(entry):
            return None
        return entry

    def has_room_for(self, key: bytes, size: int) -> bool:
        """Whether an answer of so many bytes can be held without another one having to leave."""
        weight = size + ENTRY_OVERHEAD_BYTES + REPEAT_OVERHEAD_BYTES
        has_room = (
            self._bytes + weight <= self._bytes_max and len(self._entries) < self._entries_max
        )
        return has_room or key in self._entries

    def store(
        self, key: bytes, answer: Answer, *, digest: bytes, worth_usd: float, terms: Terms
    ) -> bool:
        """Hold `answer` in place of whatever `key` held.

        Args:
            key: canonical key of what was asked.
            answer: what came; belongs to the cache from now on.
            digest: key of the raw body that asked for it; empty where there is none.
            worth_usd: dollars that its next use saves.
            terms: how long, and what it may be purged by.

        Returns:
            Whether it was taken in: an answer above the bound is not, nor one purged meanwhile.
            One that is not worth the place of others leaves again at once.
        """
        if (stale := self._entries.get(key)) is not None:
            self._remove(stale, "removed")
        weight = len(answer.body) + ENTRY_OVERHEAD_BYTES
        if weight > self._bytes_max or terms.expires_s <= terms.stored_s:
            return False
        entry = Entry(key, terms, terms.seq)
        entry.hold(answer)
        if terms.seq < self._ledger.latest and not self._outlives(entry):
            return False
        self._entries[key] = entry
        width_s = bucket_width_s(terms.expires_s - terms.stored_s)
        entry.bucket = self._expiry.add(key, terms.expires_s, width_s)
        self._policy.insert(key, weight, worth_usd)
        if digest and digest not in self._repeats:
            entry.repeats = (digest,)
            self._repeats[digest] = answer
            weight += REPEAT_OVERHEAD_BYTES
        entry.weight = weight
        self._bytes += weight
        if self._bytes > self._bytes_max or len(self._entries) > self._entries_max:
            self._make_room()
        return True

    def add_shape(self, entry: Entry, answer: Answer) -> None:
        """Keep another shape of an entry that is held."""
        if self._entries.get(entry.key) is entry and entry.answer(answer.shape) is None:
            entry.hold(answer)
            self._grow(entry, len(answer.body))

    def add_repeat(self, digest: bytes, entry: Entry, answer: Answer) -> None:
        """Let the raw body of this digest find `answer` without being parsed."""
        if self._entries.get(entry.key) is not entry or digest in self._repeats:
            return
        if len(entry.repeats) >= REPEATS_PER_ENTRY_MAX:
            del self._repeats[entry.repeats[0]]
            entry.repeats = entry.repeats[1:]
        else:
            self._grow(entry, REPEAT_OVERHEAD_BYTES)
            if self._entries.get(entry.key) is not entry:
                return
        entry.repeats += (digest,)
        self._repeats[digest] = answer

    def purge_key(self, key: bytes) -> bool:
        """Drop one key; says whether it was held."""
        entry = self._entries.get(key)
        if entry is None:
            return False
        self._remove(entry, "purged")
        return True

    def let_go(self, key: bytes) -> None:
        """Drop one key whose time here is over, though its answer may still be fresh."""
        if (entry := self._entries.get(key)) is not None:
            self._remove(entry, "expired")

    def expire(self, now_s: float, entries_max: int) -> int:
        """Let entries go whose time is up, stale windows included: a step of bounded length.

        Args:
            now_s: monotonic seconds.
            entries_max: how many at most.

        Returns:
            How many went; fewer than `entries_max` where no more are due.
        """
        due = self._expiry.take(now_s, entries_max)
        for key in due:
            self._remove(self._entries[key], "expired")
        return len(due)

    def forget_repeats(self) -> None:
        """Make every body be read again, because what it would be sent to may have changed."""
        for entry in self._entries.values():
            self._bytes -= REPEAT_OVERHEAD_BYTES * len(entry.repeats)
            entry.weight -= REPEAT_OVERHEAD_BYTES * len(entry.repeats)
            entry.repeats = ()
        self._repeats.clear()

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        """Change the bounds; what no longer fits leaves at once."""
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        self._policy.resize(bytes_max=bytes_max, entries_max=entries_max)
        self._make_room()

    def clear(self) -> int:
        """Drop everything; returns how many entries there were."""
        dropped = len(self._entries)
        for entry in list(self._entries.values()):
            self._remove(entry, "removed")
        return dropped

    def _has_survived(self, entry: Entry) -> bool:
        """Hold an entry against the purges it has not seen; one that falls leaves."""
        if self._outlives(entry):
            return True
        self._remove(entry, "purged")
        return False

    def _outlives(self, entry: Entry) -> bool:
        latest = self._ledger.latest
        if not self._ledger.is_valid(entry.seq, entry.scopes):
            return False
        entry.survived(latest)
        return True

    def _grow(self, entry: Entry, weight: int) -> None:
        entry.weight += weight
        self._bytes += weight
        self._make_room()

    def _make_room(self) -> None:
        while self._bytes > self._bytes_max or len(self._entries) > self._entries_max:
            self._drop(self._entries[self._policy.evict()], "capacity")

    def _remove(self, entry: Entry, reason: str) -> None:
        self._policy.remove(entry.key)
        self._drop(entry, reason)

    def _drop(self, entry: Entry, reason: str) -> None:
        del self._entries[entry.key]
        entry.bucket.pop(entry.key, None)
        for digest in entry.repeats:
            del self._repeats[digest]
        self._bytes -= entry.weight
        self._on_removal(entry, reason)


def _both(first: OnUse, second: OnUse) -> OnUse:
    def both(key: bytes) -> None:
        first(key)
        second(key)

    return both
