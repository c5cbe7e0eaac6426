"""`@cached`: a function that computes each answer once, for all threads and event loops."""

import inspect
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property, partial, update_wrapper
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar, cast, overload

from headrace.toolkit.arguments import seconds
from headrace.toolkit.cache import BYTES_MAX, TTL_S, Cache
from headrace.toolkit.call_key import CallKeys, check_owner
from headrace.toolkit.containment import Containment
from headrace.toolkit.flights import Flights
from headrace.toolkit.freezing import freeze
from headrace.toolkit.missing import MISSING
from headrace.toolkit.refresh import PAUSE_SHARE, Refresher
from headrace.toolkit.shelves import MemoryShelf, Shelf
from headrace.toolkit.stats import CacheErrors, CacheInfo

if TYPE_CHECKING:
    from headrace.toolkit.async_flights import AsyncFlights
    from headrace.toolkit.simple_cache import SimpleCache

Asked = ParamSpec("Asked")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
KeyMaker = Callable[[tuple[Any, ...], Mapping[str, Any]], Hashable]

SIZE_MAX: Final = 1000


class CachedMethod(Protocol[Result_co]):
    """A cached function that is bound to its instance."""

    def __call__(self, *args: Any, **kwargs: Any) -> Result_co: ...
    def cache_info(self) -> CacheInfo: ...
    def cache_clear(self) -> None: ...
    def cache_errors(self) -> CacheErrors: ...


class CachedFunction(Protocol[Asked, Result_co]):
    """What `cached` makes of a function."""

    @property
    def __wrapped__(self) -> Callable[Asked, Result_co]:
        """The function as it was."""

    def __call__(self, *args: Asked.args, **kwargs: Asked.kwargs) -> Result_co: ...
    def __get__(self, instance: Any, owner: type | None = None, /) -> CachedMethod[Result_co]: ...

    def cache_info(self) -> CacheInfo:
        """Hits, misses, bound on entries, entries."""

    def cache_clear(self) -> None:
        """Drop every value, and count from zero."""

    def cache_errors(self) -> CacheErrors:
        """What went wrong without a caller being told."""

    def invalidate(self, *args: Asked.args, **kwargs: Asked.kwargs) -> bool:
        """Drop the value of this one call; says whether there was a fresh one.

        Of a method, the instance comes first: `Client.ask.invalidate(client, "why?")`. What is
        being computed for it goes to those who wait already, and is not kept.
        """


@overload
def cached(function: Callable[Asked, Result], /) -> CachedFunction[Asked, Result]: ...
@overload
def cached(
    *,
    ttl: float = ...,
    max_size: int | None = ...,
    max_bytes: int | None = ...,
    key: Callable[..., Any] | None = ...,
    stale: float = ...,
    backend: "Cache[Any, Any] | SimpleCache | None" = ...,
) -> Callable[[Callable[Asked, Result]], CachedFunction[Asked, Result]]: ...
def cached(
    function: Callable[..., Any] | None = None,
    /,
    *,
    ttl: float = TTL_S,
    max_size: int | None = SIZE_MAX,
    max_bytes: int | None = BYTES_MAX,
    key: Callable[..., Any] | None = None,
    stale: float = 0.0,
    backend: "Cache[Any, Any] | SimpleCache | None" = None,
) -> Any:
    """Keep what a function gives, by its arguments. For functions, methods and coroutines.

    What several callers want at once, threads or tasks, is computed once. An exception goes to
    all of them and is not kept. `@cached` alone takes the defaults.

    Args:
        function: what is decorated.
        ttl: seconds that an answer is given for; `math.inf` for ever.
        max_size: bound on the number of answers; `None` for none.
        max_bytes: bound on what they weigh, in bytes, estimated; `None` for none.
        key: gives what the key is made of, from the same arguments; anything that could be an
            argument. Where it raises, the call is made and not cached, and `cache_errors` counts.
            Without it, all arguments are the key: see `headrace.toolkit.call_key`.
        stale: seconds that an answer is given beyond `ttl`, while a new one is computed in the
            background. Where that fails, the old one is given on, and it is tried again after a
            tenth of `stale`.
        backend: a `Cache` or a `SimpleCache` that holds the answers, perhaps those of other
            functions too. On disk, arguments have to be plain data, and so have answers.

    Raises:
        TypeError: what is decorated gives no answers that could be kept.
        ValueError: the bounds or times make no sense, or are given for a backend that has its own.
    """
    if backend is not None and (max_size, max_bytes) != (SIZE_MAX, BYTES_MAX):
        raise ValueError("a backend has its own bounds: leave out max_size and max_bytes")
    ttl, stale = seconds("ttl", ttl), seconds("stale", stale)

    def decorate(function: Callable[..., Any]) -> Any:
        _check(function)
        if backend is None:
            cache: Cache[Any, Any] = Cache(max_size=max_size, max_bytes=max_bytes, ttl=ttl)
            shelf: Shelf = MemoryShelf(cache, is_shared=False, ttl=None, stale=stale)
        else:
            shelf = _shelf_in(backend, function, ttl, stale)
        return FunctionCache(function, shelf, key, stale).wrapper()

    return decorate if function is None else decorate(function)


def _shelf_in(backend: object, function: Callable[..., Any], ttl: float, stale: float) -> Shelf:
    """Where the answers of a function are kept in a cache that others use too."""
    if isinstance(backend, Cache):
        return MemoryShelf(backend, is_shared=True, ttl=ttl, stale=stale)
    from headrace.toolkit.disk_shelf import DiskShelf
    from headrace.toolkit.simple_cache import SimpleCache

    if isinstance(backend, SimpleCache):
        return DiskShelf(backend, function, ttl, stale)
    kind = type(backend).__qualname__
    raise TypeError(f"backend is a Cache or a SimpleCache, and {kind} is neither")


class FunctionCache:
    """What one cached function is made of.

    Args:
        function: what computes the answers.
        shelf: what holds them.
        key: what makes keys, or `None` for all arguments.
        stale_s: seconds that an answer is given while a new one is computed.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        shelf: Shelf,
        key: Callable[..., Any] | None,
        stale_s: float,
    ) -> None:
        self._function = function
        self._shelf = shelf
        self._stale_s = stale_s
        self._contained = Containment()
        self._flights: Flights[Any, Any] = Flights(shelf.now_s, shelf.peek)
        self._refresher: Refresher[Any, Any] = Refresher(self._flights, stale_s * PAUSE_SHARE)
        self._key = self._key_maker(key)

    def wrapper(self) -> Any:
        """The function that is called in place of the one that computes."""
        is_async = _is_async(self._function)
        made = cast("Any", self._async_wrapper() if is_async else self._sync_wrapper())
        update_wrapper(made, self._function)
        made.cache_info = self._shelf.info
        made.cache_clear = self.clear
        made.cache_errors = self.errors
        made.invalidate = self.invalidate
        return made

    def clear(self) -> None:
        """Drop every value, and count from zero."""
        self._flights.forget_all()
        self._shelf.clear()

    def invalidate(self, *args: Any, **kwargs: Any) -> bool:
        """Drop the value of one call.

        Raises:
            TypeError: of a method, the instance is missing.
        """
        check_owner(self._function, args, kwargs)
        key = self._key(args, kwargs)
        self._flights.forget(key)
        return self._shelf.drop(key)

    def errors(self) -> CacheErrors:
        """What went wrong without a caller being told."""
        return CacheErrors(
            self._contained.errors,
            self._contained.last,
            self._refresher.errors,
            self._refresher.last_error,
            *self._shelf.errors(),
        )

    def _sync_wrapper(self) -> Callable[..., Any]:
        key_of, find, lead = self._key, self._shelf.find, self._lead

        def call(*args: Any, **kwargs: Any) -> Any:
            key = key_of(args, kwargs)
            value = find(key, MISSING)
            if value is not MISSING:
                return value
            return lead(key, args, kwargs)

        return call

    def _async_wrapper(self) -> Callable[..., Any]:
        key_of, find, lead = self._key, self._shelf.find, self._lead_async

        async def call(*args: Any, **kwargs: Any) -> Any:
            key = key_of(args, kwargs)
            value = find(key, MISSING)
            if value is not MISSING:
                return value
            return await lead(key, args, kwargs)

        return call

    def _lead(self, key: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        call = partial(self._function, *args, **kwargs)
        if key is MISSING:
            return call()
        keep = partial(self._shelf.keep, key)
        if self._stale_s and (value := self._shelf.peek_stale(key)) is not MISSING:
            self._refresher.on_thread(key, call, keep)
            return value
        return self._flights.compute(key, call, keep)

    async def _lead_async(self, key: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        call = partial(self._function, *args, **kwargs)
        if key is MISSING:
            return await call()
        keep = partial(self._shelf.keep, key)
        if self._stale_s and (value := self._shelf.peek_stale(key)) is not MISSING:
            self._refresher.in_task(key, call, keep, self._async_flights)
            return value
        return await self._async_flights.compute(key, call, keep)

    def _key_maker(self, key_function: Callable[..., Any] | None) -> KeyMaker:
        address = self._shelf.address
        if key_function is None:
            key_of = CallKeys(self._function).key
            if self._shelf.is_plain:
                return key_of
            return lambda args, kwargs: address(key_of(args, kwargs))

        def by_function(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
            with self._contained:
                key = address(freeze(key_function(*args, **kwargs)))
                hash(key)
                return key
            return MISSING  # which nothing is ever held for

        return by_function

    @cached_property
    def _async_flights(self) -> "AsyncFlights[Any, Any]":
        from headrace.toolkit.async_flights import AsyncFlights

        return AsyncFlights(self._flights)


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    called = function if inspect.isroutine(function) else type(function).__call__
    return inspect.iscoroutinefunction(called)


def _check(function: object) -> None:
    """Refuse what gives no answers that could be kept.

    Raises:
        TypeError: and why.
    """
    if isinstance(function, classmethod | staticmethod | property):
        kind = type(function).__name__
        raise TypeError(f"put @cached below @{kind}, so that it decorates the function itself")
    if not callable(function):
        raise TypeError(
            f"cached decorates functions, and {function!r} cannot be called: name the arguments, "
            "as in @cached(ttl=60)"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("a generator can be read once only: cache a function that gives a list")
