"""What saves the fewest dollars for its bytes leaves first, unless it was used often or lately.

GreedyDual-Size-Frequency: Cherkasova, "Improving WWW proxies performance with GreedyDual-Size-
Frequency caching policy", HP Laboratories 1998: the priority of a key is

    clock + uses * worth / size

where the clock is the priority of the key that left last. It is reckoned when a key comes in, and
again when it would be the next to leave and was used since: so a use costs next to nothing, and
popular keys are moved seldom (lazy promotion: Yang, Qiu, Zhang, Yue, Rashmi, HotOS 2023).

Values are rounded down to four significant bits, so that few differ, and keys of one value stand
on one shelf in order: CAMP (Ghandeharizadeh, Irani, Lam, Yap, Middleware 2014). A key that leaves
early leaves nothing behind, unlike in a heap, and no step takes longer the more keys are held.

A newcomer that came too seldom to deserve the place of the key that would leave for it leaves
itself, in the way of TinyLFU (Einziger, Friedman, Manes 2017).
"""

from collections import OrderedDict
from heapq import heappop, heappush, heapreplace
from typing import Any, Final, Generic

import msgspec

from headrace.cache.policy.base import Key, bounded_worth
from headrace.cache.policy.sketch import COUNT_MAX, FrequencySketch
from headrace.cache.policy.spread import spread_of

# Values are whole numbers of this part of a dollar per byte: a clock that only ever rises loses
# no small ones, as one of floats would.
PARTS_PER_USD: Final = 10**18
SIGNIFICANT_BITS: Final = 4
# Every newcomer that is turned away costs the one who stays this part of one use, so that what
# was popular once cannot keep everybody else out.
CONTESTS_PER_USE: Final = 16
# What another policy kept came at least twice, more likely than not.
_USES_ADOPTED: Final = 2
# Keys that were used and stay, in one eviction: a million of them must not hold it up.
CHANCES_MAX: Final = 64


class _Node(msgspec.Struct, gc=False, eq=False):
    """What is known of a held key.

    Attributes:
        density: what one use is worth per byte.
        uses: how often it was used, its coming in among them.
        uses_reckoned: how many of these its priority knows of.
        shelf: where it stands: keys of one value and their priorities, lowest first.
        contests: newcomers that were turned away for it.
    """

    density: int
    uses: int
    uses_reckoned: int
    shelf: OrderedDict[Any, int]
    contests: int = 0


class GdsfPolicy(Generic[Key]):
    """GDSF on shelves.

    Args:
        admission: whether newcomers have to deserve their place.
        is_priced: whether dollars count; without, one use is worth as much as another.
        seed: of the spread of keys over the frequency sketch.
    """

    __slots__ = (
        "_clock",
        "_heads",
        "_is_admission_on",
        "_is_priced",
        "_newcomer",
        "_nodes",
        "_shelves",
        "_sketch",
        "_spread",
    )

    def __init__(self, *, admission: bool = True, is_priced: bool = True, seed: int = 0) -> None:
        self._clock = 0
        self._nodes: dict[Key, _Node] = {}
        self._shelves: dict[int, OrderedDict[Key, int]] = {}
        # For each shelf the priority of its first key, or of one before that, and its value.
        self._heads: list[tuple[int, int]] = []
        self._is_admission_on = admission
        self._is_priced = is_priced
        self._newcomer: tuple[Key, _Node, int] | None = None
        self._sketch = FrequencySketch()
        self._spread = spread_of(seed)

    @property
    def clock(self) -> int:
        """Priority of the key that left last, in 1e-18 dollars per byte."""
        return self._clock

    @property
    def shelves(self) -> int:
        """Different values that are held, or were lately."""
        return len(self._heads)

    def priority(self, key: Key) -> int:
        """That of a held key, in 1e-18 dollars per byte."""
        return self._nodes[key].shelf[key]

    def touch(self, key: Key) -> None:
        self._nodes[key].uses += 1

    def insert(self, key: Key, size: int, worth: float) -> None:
        node = self._hold(key, self._density(size, worth), uses=1)
        if self._is_admission_on:
            if len(self._nodes) > self._sketch.width:
                self._sketch.fit(len(self._nodes))
            self._newcomer = key, node, self._sketch.count(self._spread(key))

    def adopt(self, key: Key, size: int, worth: float) -> None:
        self._hold(key, self._density(size, worth), uses=_USES_ADOPTED)

    def remove(self, key: Key) -> None:
        self._forget(key, self._nodes.pop(key))

    def evict(self) -> Key:
        key, node = self._next_to_leave()
        if self._newcomer is not None and self._newcomer[1] is not node:
            newcomer, newcomer_node, seen = self._newcomer
            if not _deserves(newcomer_node, seen, node):
                node.contests += 1
                del self._nodes[newcomer]
                self._forget(newcomer, newcomer_node)
                return newcomer
        self._clock = node.shelf[key]
        del self._nodes[key]
        self._forget(key, node)
        return key

    def resize(self, *, bytes_max: int, entries_max: int) -> None:
        """Changes nothing: the order of priorities knows no room."""

    def _density(self, size: int, worth: float) -> int:
        return density_of(size, worth if self._is_priced else 1.0)

    def _hold(self, key: Key, density: int, *, uses: int) -> _Node:
        node = _Node(density, uses, uses, self._shelf_of(uses * density, key))
        self._nodes[key] = node
        return node

    def _next_to_leave(self) -> tuple[Key, _Node]:
        """The lowest of all priorities, after reckoning anew those that are no longer right."""
        for _ in range(CHANCES_MAX):
            key = self._lowest()
            node = self._nodes[key]
            if node.uses == node.uses_reckoned:
                return key, node
            del node.shelf[key]
            node.shelf = self._shelf_of(node.uses * node.density, key)
            node.uses_reckoned = node.uses
        key = self._lowest()
        return key, self._nodes[key]

    def _shelf_of(self, product: int, key: Key) -> OrderedDict[Key, int]:
        """Put a key on the shelf of its value, behind all others there."""
        shift = max(0, product.bit_length() - SIGNIFICANT_BITS)
        value = product >> shift << shift
        shelf = self._shelves.get(value)
        if shelf is None:
            shelf = self._shelves[value] = OrderedDict()
            heappush(self._heads, (self._clock + value, value))
        shelf[key] = self._clock + value
        return shelf

    def _lowest(self) -> Key:
        """The key of the lowest priority; of several, the least valuable, then the oldest."""
        heads = self._heads
        while heads:
            priority, value = heads[0]
            shelf = self._shelves[value]
            if not shelf:
                heappop(heads)
                del self._shelves[value]
                continue
            key = next(iter(shelf))
            if shelf[key] == priority:
                return key
            heapreplace(heads, (shelf[key], value))
        raise KeyError("nothing is held")

    def _forget(self, key: Key, node: _Node) -> None:
        """Take a node off its shelf, and remember how often it was used."""
        del node.shelf[key]
        if self._is_admission_on:
            if self._newcomer is not None and self._newcomer[1] is node:
                self._newcomer = None
            if node.uses > 1:
                self._sketch.count(self._spread(key), min(node.uses - 1, COUNT_MAX))


def density_of(size: int, worth: float) -> int:
    """What one use is worth per byte, in 1e-18 dollars; at least 1, whatever is given."""
    return max(1, int(bounded_worth(worth) * PARTS_PER_USD) // max(1, size))


def _deserves(newcomer: _Node, seen: int, victim: _Node) -> bool:
    """Whether a newcomer that was `seen` so often, in earlier stays too, is worth a victim."""
    uses = min(max(seen, newcomer.uses), COUNT_MAX) * CONTESTS_PER_USE
    standing = min(victim.uses, COUNT_MAX) * CONTESTS_PER_USE - victim.contests
    return uses * newcomer.density >= standing * victim.density
