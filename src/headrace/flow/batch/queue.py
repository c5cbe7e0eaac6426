"""What waits to go together: by priority, bounded, and when the next batch is due.

A pure core: it is handed the time and knows no loop. Whoever drives it asks `due_s` when to come
back, takes a batch when it is time, and says when that has ended.

Priorities age: an entry goes before those of the next class that came up to `HANDICAP_S` before
it, and after those that have waited longer, so that no class starves.
"""

from collections.abc import Hashable, Iterator
from typing import Final, Generic, Literal, TypeVar

from headrace.flow.batch.sizing import Sizing

Item = TypeVar("Item")

Priority = Literal["high", "normal", "low", "batch"]

NEVER_S: Final = float("inf")
# How much later an entry may have come than one of the next class, and still go first.
HANDICAP_S: Final = 1.0
# Classes, from the first to the last to go.
RANKS: Final[tuple[Priority, ...]] = ("high", "normal", "low", "batch")


class Entry(Generic[Item]):
    """Something that waits, or is on its way.

    Attributes:
        item: what it is.
        key: what is the same by it, `None` where nothing is.
        rank: place of its class in `RANKS`.
        since_s: when it came, monotonic seconds.
        size: how many items it counts as.
        tokens: what it counts against the bound on tokens.
        is_waiting: whether it has been neither taken nor withdrawn.
    """

    __slots__ = ("is_waiting", "item", "key", "rank", "since_s", "size", "tokens")

    def __init__(
        self, item: Item, key: Hashable, rank: int, since_s: float, size: int, tokens: int
    ) -> None:
        self.item = item
        self.key = key
        self.rank = rank
        self.since_s = since_s
        self.size = size
        self.tokens = tokens
        self.is_waiting = True


class BatchQueue(Generic[Item]):
    """Entries that wait, and those on their way as far as others may join them.

    Args:
        sizing: says how many items go together.
        wait_s_max: how long an entry waits for others at most, in seconds.
        wait_share: the same as a share of what a batch of one takes, whichever is shorter;
            `None` for no such bound.
        tokens_max: bound on the tokens of a batch; `None` for none.
        waiting_max: bound on the entries that wait.
        running_max: bound on the batches on their way at once; `None` for none.

    Attributes:
        running: batches on their way.
        waiting: entries that wait.
    """

    def __init__(
        self,
        sizing: Sizing,
        *,
        wait_s_max: float,
        wait_share: float | None = None,
        tokens_max: int | None = None,
        waiting_max: int,
        running_max: int | None = None,
    ) -> None:
        self._sizing = sizing
        self._wait_s_max = wait_s_max
        self._wait_share = wait_share
        self._tokens_max = NEVER_S if tokens_max is None else tokens_max
        self._waiting_max = waiting_max
        self._running_max = NEVER_S if running_max is None else running_max
        # Dictionaries for their order and for leaving from the middle.
        self._classes: tuple[dict[Entry[Item], None], ...] = tuple({} for _ in RANKS)
        self._by_key: dict[Hashable, Entry[Item]] = {}
        self._size = self._tokens = 0
        self._hurried_s = -NEVER_S
        self.running = 0
        self.waiting = 0

    def __iter__(self) -> Iterator[Entry[Item]]:
        """What waits, class by class."""
        for each in self._classes:
            yield from each

    def offer(
        self,
        item: Item,
        now_s: float,
        *,
        key: Hashable = None,
        rank: int = 1,
        size: int = 1,
        tokens: int = 0,
    ) -> Entry[Item] | None:
        """Let something wait; `None` where too many wait already."""
        if self.waiting >= self._waiting_max:
            return None
        entry = Entry(item, key, rank, now_s, size, tokens)
        if key is not None:
            self._by_key[key] = entry
        self._enter(entry)
        return entry

    def find(self, key: Hashable, rank: int) -> Entry[Item] | None:
        """What waits or is on its way under this key, for another one to join.

        One of a higher class takes what waits along into its own.
        """
        entry = self._by_key.get(key)
        if entry is not None and entry.is_waiting and rank < entry.rank:
            self._leave(entry)
            entry.rank = rank
            self._enter(entry)
            # The first of a class is the one that has waited longest.
            ordered = sorted(self._classes[rank], key=_since)
            self._classes[rank].clear()
            self._classes[rank].update(dict.fromkeys(ordered))
        return entry

    def withdraw(self, entry: Entry[Item]) -> None:
        """Nobody wants this any more."""
        if entry.is_waiting:
            self._leave(entry)
            entry.is_waiting = False
        self.settle(entry)

    def settle(self, entry: Entry[Item]) -> None:
        """What came of it is known, or will never be: nobody joins it any more."""
        if entry.key is not None and self._by_key.get(entry.key) is entry:
            del self._by_key[entry.key]

    def hurry(self, now_s: float) -> None:
        """Let what waits now wait for no company."""
        self._hurried_s = now_s

    def due_s(self, now_s: float) -> float:
        """When the next batch should be taken: at once, later, or never as things are.

        At once if no batch is on its way, or if the next is full.
        """
        if not self.waiting or self.running >= self._running_max:
            return NEVER_S
        oldest_s = self.oldest_s
        if (
            not self.running
            or oldest_s <= self._hurried_s
            or self._tokens >= self._tokens_max
            or self._size >= self._sizing.size(now_s - oldest_s)
        ):
            return now_s
        return oldest_s + self.wait_s

    @property
    def wait_s(self) -> float:
        """How long an entry waits for others, in seconds."""
        if self._wait_share is None:
            return self._wait_s_max
        return min(self._wait_s_max, self._wait_share * self._sizing.one_s)

    @property
    def oldest_s(self) -> float:
        """Since when the one has waited that has waited longest."""
        return min((next(iter(each)).since_s for each in self._classes if each), default=NEVER_S)

    def take(self, now_s: float) -> list[Entry[Item]]:
        """The next batch: what goes first, as far as it fits; never empty while anything waits."""
        size_max = self._sizing.size(now_s - self.oldest_s)
        batch: list[Entry[Item]] = []
        size = tokens = 0
        while self.waiting:
            entry = self._first()
            size += entry.size
            tokens += entry.tokens
            if batch and (size > size_max or tokens > self._tokens_max):
                break
            self._leave(entry)
            entry.is_waiting = False
            batch.append(entry)
        if batch:
            self.running += 1
        return batch

    def began(self) -> None:
        """Another batch is on its way, of what was taken before."""
        self.running += 1

    def ended(self, items: int = 0, duration_s: float | None = None) -> None:
        """A batch has ended.

        Args:
            items: how many it held.
            duration_s: what it took, where that says something about others.
        """
        self.running -= 1
        if duration_s is not None:
            self._sizing.observe(items, duration_s)

    def expire(self, since_s: float) -> Iterator[Entry[Item]]:
        """Take out, one by one, what has waited since then or longer."""
        for each in self._classes:
            while each and (entry := next(iter(each))).since_s <= since_s:
                self.withdraw(entry)
                yield entry

    def _enter(self, entry: Entry[Item]) -> None:
        self._classes[entry.rank][entry] = None
        self._size += entry.size
        self._tokens += entry.tokens
        self.waiting += 1

    def _leave(self, entry: Entry[Item]) -> None:
        del self._classes[entry.rank][entry]
        self._size -= entry.size
        self._tokens -= entry.tokens
        self.waiting -= 1

    def _first(self) -> Entry[Item]:
        heads = (next(iter(each)) for each in self._classes if each)
        return min(heads, key=_turn)


def _turn(entry: Entry[Item]) -> float:
    return entry.since_s + entry.rank * HANDICAP_S


def _since(entry: Entry[Item]) -> float:
    return entry.since_s
