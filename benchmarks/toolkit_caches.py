"""The caches that the toolkit is measured beside, each as it comes, behind one shape."""

import asyncio
import functools
import importlib
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, cast

import msgspec

from headrace import Cache, SimpleCache, cached

HEADRACE = "headrace Cache"
HEADRACE_FUNCTION = "headrace @cached"
HEADRACE_DISK = "headrace SimpleCache"
DICT = "dict, never evicts"
LOCKED = "cachetools TTLCache, lock"
DISKCACHE = "diskcache"
TTL_S = 3600

Batch = Callable[[list[str]], object]


class Contender(msgspec.Struct, frozen=True):
    """A cache, and how a whole batch of operations is done with it.

    Attributes:
        name: as it is told.
        get: looks up every key.
        put: holds a value for every key.
        one: a look-up and a change of one key, for threads.
        end: lets go of what it holds.
    """

    name: str
    get: Batch
    put: Batch
    one: tuple[Callable[[str], object], Callable[[str, Any], object]] | None = None
    end: Callable[[], object] = bool


def _apart(batch: Batch) -> Batch:
    """The same loop in code of its own.

    The interpreter fits the code of a loop to what it calls. One that calls many kinds of caches in
    turn would be slow for all of them, as nobody's own loop is.
    """
    function = cast("FunctionType", batch)
    code = function.__code__.replace()
    return FunctionType(code, function.__globals__, closure=function.__closure__)


def plain(
    name: str,
    get: Callable[[str], object],
    put: Callable[[str, Any], object],
    value: object,
    end: Callable[[], object] = bool,
) -> Contender:
    """A cache with functions for one key."""

    def get_all(keys: list[str]) -> None:
        for key in keys:
            get(key)

    def put_all(keys: list[str]) -> None:
        for key in keys:
            put(key, value)

    return Contender(name, _apart(get_all), _apart(put_all), (get, put), end)


def memoised(name: str, function: Callable[[str], object]) -> Contender:
    """A decorated function: new keys are computed, at next to no cost, and held."""

    def call_all(keys: list[str]) -> None:
        for key in keys:
            function(key)

    return Contender(name, _apart(call_all), _apart(call_all))


def in_memory(size: int, value: object) -> list[Contender]:
    """Headrace's caches and those of the standard library."""
    ours: Cache[str, object] = Cache(max_size=size, ttl=TTL_S)
    held: dict[str, object] = {}
    return [
        plain(HEADRACE, ours.get, ours.set, value),
        memoised(HEADRACE_FUNCTION, cached(ttl=TTL_S, max_size=size)(lambda _key: value)),
        plain(DICT, held.get, held.__setitem__, value),
        memoised("functools.lru_cache", functools.lru_cache(size)(lambda _key: value)),
    ]


def cachetools_caches(size: int, value: object) -> list[Contender]:
    """cachetools, with the lock that its documentation asks for."""
    cachetools = importlib.import_module("cachetools")
    return [
        _locked(LOCKED, cachetools.TTLCache(size, TTL_S), value),
        _locked("cachetools LRUCache, lock", cachetools.LRUCache(size), value),
    ]


def _locked(name: str, cache: Any, value: object) -> Contender:
    lock = threading.Lock()

    def get(key: str) -> object:
        with lock:
            return cache.get(key)

    def put(key: str, value: object) -> None:
        with lock:
            cache[key] = value

    return plain(name, get, put, value)


def cachebox_caches(size: int, value: object) -> list[Contender]:
    """cachebox, in Rust."""
    cachebox = importlib.import_module("cachebox")
    lru, ttl = cachebox.LRUCache(size), cachebox.TTLCache(size, TTL_S)
    return [
        plain("cachebox LRUCache, no ttl", lru.get, lru.insert, value),
        plain("cachebox TTLCache", ttl.get, ttl.insert, value),
    ]


def theine_caches(size: int, value: object) -> list[Contender]:
    """theine, in Rust and Python."""
    cache = importlib.import_module("theine").Cache(size)
    return [plain("theine", cache.get, cache.set, value)]


def moka_caches(size: int, value: object) -> list[Contender]:
    """moka-py, in Rust."""
    cache = importlib.import_module("moka_py").Moka(size, ttl=TTL_S)
    return [plain("moka-py", cache.get, cache.set, value)]


def cashews_caches(size: int, value: object) -> list[Contender]:
    """cashews in memory: asynchronous only, so its loop is part of the figure."""
    cache = importlib.import_module("cashews").Cache()
    cache.setup(f"mem://?size={size}")
    loop = asyncio.new_event_loop()

    async def get(keys: list[str]) -> None:
        for key in keys:
            await cache.get(key)

    async def put(keys: list[str]) -> None:
        for key in keys:
            await cache.set(key, value, expire=TTL_S)

    def end() -> None:
        loop.run_until_complete(cache.close())
        loop.close()

    def get_all(keys: list[str]) -> None:
        loop.run_until_complete(get(keys))

    def put_all(keys: list[str]) -> None:
        loop.run_until_complete(put(keys))

    return [Contender("cashews, memory", get_all, put_all, None, end)]


PEERS: tuple[Callable[[int, object], list[Contender]], ...] = (
    cachetools_caches,
    cachebox_caches,
    theine_caches,
    moka_caches,
    cashews_caches,
)


PACKAGES = ("cachebox", "cachetools", "cashews", "diskcache", "moka_py", "theine")


def simple_cache(directory: Path, value: object) -> list[Contender]:
    """Headrace's disk cache."""
    cache = SimpleCache(path=directory / "simple.db")
    return [plain(HEADRACE_DISK, cache.get, cache.set, value, cache.close)]


def diskcache_cache(directory: Path, value: object) -> list[Contender]:
    """diskcache, with its defaults."""
    cache = importlib.import_module("diskcache").Cache(directory / "diskcache")

    def put(key: str, value: object) -> None:
        cache.set(key, value, expire=TTL_S)

    return [plain(DISKCACHE, cache.get, put, value, cache.close)]
