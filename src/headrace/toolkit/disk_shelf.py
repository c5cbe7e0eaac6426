"""Where a cached function keeps its values on disk."""

from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Any, Final

from headrace.store.faults import StoreFault
from headrace.toolkit.disk_book import CallKey
from headrace.toolkit.freezing import frozen_bytes
from headrace.toolkit.missing import MISSING
from headrace.toolkit.shelves import Tally
from headrace.toolkit.simple_cache import SimpleCache
from headrace.toolkit.stats import CacheInfo

# Names of the module that a program begins with, its own and that of processes it starts.
_PROGRAMS: Final = frozenset({"__main__", "__mp_main__"})


class DiskShelf:
    """A disk cache, which other functions and processes keep their values in too.

    Whatever happens to the disk, the function's callers are answered: what cannot be read is
    computed, what cannot be written is not kept, and `errors` counts.

    Args:
        cache: the cache.
        function: whose values they are, by its module and name, or its file where it is of the
            program itself: these have to be the same in every process.
        ttl: seconds that values are given for.
        stale: seconds that they are held beyond.

    Raises:
        TypeError: the function has no name.
    """

    def __init__(
        self, cache: SimpleCache, function: Callable[..., Any], ttl: float, stale: float
    ) -> None:
        self._book = cache.book
        self._scope = _scope_of(function)
        self._ttl = ttl
        self._stale = stale
        self._tally = Tally(self._look_up)
        self._cleared = (0, 0)
        self._faults = 0
        self._last_fault = ""
        self.find: Callable[[Any, Any], Any] = self._tally.find
        self.now_s = self._book.now_s
        self.is_plain = False

    def address(self, key: Hashable) -> Hashable:
        return CallKey(self._scope, frozen_bytes(key))

    def peek(self, key: Any) -> Any:
        return self._look_up(key, MISSING)

    def peek_stale(self, key: Any) -> Any:
        return self._guarded(MISSING, self._book.find, key, None)

    def keep(self, key: Any, value: Any, seconds: float) -> None:  # noqa: ARG002
        self._guarded(False, self._book.put, key, value, self._ttl + self._stale)

    def drop(self, key: Any) -> bool:
        return key is not MISSING and self._book.remove(key)

    def clear(self) -> None:
        self._book.remove_all(self._scope)
        self._cleared = self._tally.counts()

    def info(self) -> CacheInfo:
        hits, misses = self._tally.counts()
        before_hits, before_misses = self._cleared
        entries = self._book.count(self._scope)
        return CacheInfo(hits - before_hits, misses - before_misses, None, entries)

    def errors(self) -> tuple[int, str]:
        return self._faults, self._last_fault

    def _look_up(self, key: Any, default: Any) -> Any:
        if key is MISSING:
            return default
        value = self._guarded(MISSING, self._book.find, key, self._ttl)
        return default if value is MISSING else value

    def _guarded(self, otherwise: Any, use: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return use(*arguments)
        except StoreFault as fault:
            self._faults += 1
            self._last_fault = fault.message
            return otherwise


def _scope_of(function: Callable[..., Any]) -> int:
    """A number for a function, the same in every process, and never that of plain keys.

    Raises:
        TypeError: it has no name, by which other processes could know it.
    """
    name = getattr(function, "__qualname__", "")
    if not name or name.endswith("<lambda>"):
        raise TypeError(
            f"{function!r} has no name of its own, by which its answers on disk could be told from "
            "others: write a function with `def`"
        )
    full = f"{_module_of(function)}.{name}"
    return int.from_bytes(blake2b(full.encode(), digest_size=7).digest(), "little") + 1


def _module_of(function: Callable[..., Any]) -> str:
    """The module; of a program, its own name or file: all programs call their module alike."""
    module = str(getattr(function, "__module__", ""))
    if module not in _PROGRAMS:
        return module
    names = getattr(function, "__globals__", {})
    spec = names.get("__spec__")
    return str(names.get("__file__", module) if spec is None else spec.name)
