"""Every scope with its entries, within bounds on scopes, on entries of each and on bytes of all."""

from collections import OrderedDict
from typing import Final

import msgspec

from headrace.cache.semantic.index import ScopeIndex, Vector
from headrace.cache.semantic.threshold import Label

# An entry's own objects, its place in a dictionary, and its labels at the most.
_ENTRY_BYTES: Final = 700
_SCOPE_BYTES: Final = 2000


class Entry(msgspec.Struct, gc=False, eq=False):
    """One question that has an answer.

    Attributes:
        text: the question.
        labels: what its answer turned out to be worth for others, the latest few.
        threshold: similarity below which they speak against it.
    """

    text: str
    labels: tuple[Label, ...] = ()
    threshold: float = 0.0

    @property
    def weight_bytes(self) -> int:
        """What it takes beside its vector, in bytes."""
        return _ENTRY_BYTES + 2 * len(self.text)


class Scope:
    """The entries of one scope, the least recently used first, and their vectors."""

    __slots__ = ("counted_bytes", "entries", "index", "text_bytes")

    def __init__(self, dimensions: int, exact_max: int) -> None:
        self.index = ScopeIndex(dimensions, exact_max)
        self.entries: OrderedDict[bytes, Entry] = OrderedDict()
        self.text_bytes = _SCOPE_BYTES
        self.counted_bytes = self.weight_bytes

    @property
    def weight_bytes(self) -> int:
        """What it takes, in bytes."""
        return self.index.weight_bytes + self.text_bytes


class Scopes:
    """All scopes, the least recently used first. Belongs to one event loop.

    Args:
        scopes_max: most scopes; beyond, the least recently used leaves whole.
        entries_max: most entries of one scope; beyond, its least recently used leaves.
        bytes_max: bound on what all of them take; beyond, entries leave from the least recently
            used scope.
        exact_max: entries up to which a scope is searched exactly.
    """

    def __init__(
        self, *, scopes_max: int, entries_max: int, bytes_max: int, exact_max: int
    ) -> None:
        self._scopes_max = scopes_max
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._exact_max = exact_max
        self._scopes: OrderedDict[bytes, Scope] = OrderedDict()
        self._scope_of: dict[bytes, bytes] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._scope_of)

    @property
    def count(self) -> int:
        """How many scopes there are."""
        return len(self._scopes)

    @property
    def bytes_held(self) -> int:
        """What all entries take, in bytes."""
        return self._bytes

    def scope(self, name: bytes) -> Scope | None:
        """A scope, where it has entries; using it keeps it."""
        scope = self._scopes.get(name)
        if scope is not None:
            self._scopes.move_to_end(name)
        return scope

    def entry(self, key: bytes) -> Entry | None:
        """The entry of a key, wherever it is."""
        name = self._scope_of.get(key)
        return None if name is None else self._scopes[name].entries[key]

    def touch(self, key: bytes) -> None:
        """The entry of this key was of use, so it stays longer."""
        name = self._scope_of.get(key)
        if name is not None:
            self._scopes[name].entries.move_to_end(key)

    async def add(self, name: bytes, key: bytes, text: str, vector: Vector) -> None:
        """Hold a question in a scope, in place of whatever its key held."""
        self.remove(key)
        scope = self._scopes.get(name)
        if scope is not None and len(scope.entries) >= self._entries_max:
            self.remove(next(iter(scope.entries)))
            scope = self._scopes.get(name)
        if scope is None:
            scope = self._scopes[name] = Scope(len(vector), self._exact_max)
            self._bytes += scope.counted_bytes
            self._bound_scopes()
        self._scopes.move_to_end(name)
        scope.entries[key] = entry = Entry(text)
        scope.text_bytes += entry.weight_bytes
        self._scope_of[key] = name
        await scope.index.add(key, vector)
        if self._scopes.get(name) is scope:  # it may have left meanwhile
            self._recount(scope)
            self._bound_bytes()

    def remove(self, key: bytes) -> bool:
        """Hold a question no longer; says whether it was held."""
        name = self._scope_of.pop(key, None)
        if name is None:
            return False
        scope = self._scopes[name]
        scope.text_bytes -= scope.entries.pop(key).weight_bytes
        scope.index.remove(key)
        self._recount(scope)
        if not scope.entries:
            del self._scopes[name]
            self._bytes -= scope.counted_bytes
        return True

    def clear(self) -> None:
        """Hold nothing."""
        self._scopes.clear()
        self._scope_of.clear()
        self._bytes = 0

    def _bound_scopes(self) -> None:
        while len(self._scopes) > self._scopes_max:
            _, scope = self._scopes.popitem(last=False)
            for key in scope.entries:
                del self._scope_of[key]
            self._bytes -= scope.counted_bytes

    def _recount(self, scope: Scope) -> None:
        """Count what a scope takes now instead of what it took before."""
        self._bytes -= scope.counted_bytes
        scope.counted_bytes = scope.weight_bytes
        self._bytes += scope.counted_bytes

    def _bound_bytes(self) -> None:
        while self._bytes > self._bytes_max and self._scope_of:
            oldest = next(iter(self._scopes.values()))
            self.remove(next(iter(oldest.entries)))
