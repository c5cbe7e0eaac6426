"""Single-flight: what several callers want at once is computed once, by the one who came first.

The others wait. An error is everybody's, and is not kept. When the one who computes is interrupted
instead (`KeyboardInterrupt`, the end of its event loop), one of those who wait takes over.

Nothing is made for those who wait until somebody does: most computations nobody else wants.
"""

from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from threading import Lock, RLock, get_ident
from types import AsyncGeneratorType, CoroutineType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from headrace.toolkit.missing import MISSING, Missing

if TYPE_CHECKING:
    import asyncio

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Keep = Callable[[Value, float], object]
"""Holds a value; told how many seconds it took to compute."""

_USED_ONCE: Final = (CoroutineType, GeneratorType, AsyncGeneratorType)


class Interrupted(Exception):
    """Told to those who wait when whoever computed was stopped before its end."""


class Flight(Generic[Value]):
    """One computation under way. What is changed, is changed by `Flights` under its lock.

    Attributes:
        thread: the thread it runs on.
        task: the task it runs in, where it is asynchronous.
        waiting: how many want its outcome.
        is_done: whether there is one.
        error: what it ended with, where it did not end well.
        wakes: called once there is an outcome.
    """

    __slots__ = ("_value", "error", "is_done", "task", "thread", "waiting", "wakes")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.task: asyncio.Task[None] | None = None
        self.waiting = 1
        self.is_done = False
        self.error: Exception | None = None
        self.wakes: list[Callable[[], object]] = []
        self._value: Value | Missing = MISSING

    def outcome(self) -> Value:
        """What was computed, once it is done.

        Raises:
            Interrupted: whoever computed was stopped.
            Exception: what it raised.
        """
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]

    def end(self, value: Value | Missing, error: Exception | None) -> None:
        """There is an outcome."""
        self._value = value
        self.error = error
        self.is_done = True


class Flights(Generic[Key, Value]):
    """The computations of one cache that are under way, by key. Thread-safe.

    Args:
        now_s: the time, in seconds.
        peek: the value of a key, if it is held by now; counts for nothing.

    Attributes:
        flying: those that others may join.
        joined: callers that waited for another one's.
    """

    def __init__(self, now_s: Callable[[], float], peek: Callable[[Key], Value | Missing]) -> None:
        self.now_s = now_s
        self.peek = peek
        self._lock = RLock()
        self.flying: dict[Key, Flight[Value]] = {}
        self.joined = 0

    def compute(self, key: Key, call: Callable[[], Value], keep: Keep[Value]) -> Value:
        """What `call` gives, or what the computation gives that is under way already.

        One that asks for its own key on its own thread does not wait for itself: it computes.

        Args:
            key: of what is computed.
            call: computes it.
            keep: holds it.
        """
        while True:
            flight, leads = self.join(key)
            if leads:
                self.fly(key, flight, call, keep)
            elif flight.thread == get_ident() and not flight.is_done:
                self.leave(key, flight)
                return call()
            else:
                self._wait(flight)
            if not isinstance(flight.error, Interrupted):
                return flight.outcome()

    def fly(
        self,
        key: Key,
        flight: Flight[Value],
        call: Callable[[], Value],
        keep: Keep[Value],
        *,
        anew: bool = False,
    ) -> None:
        """Compute, keep, and tell those who wait; errors are told to them alone.

        Args:
            key: of what is computed.
            flight: the computation.
            call: computes it.
            keep: holds it.
            anew: whether to compute even what is held by now.
        """
        with Landing(self, key, flight):
            value = MISSING if anew else self.peek(key)
            if value is MISSING:
                begin_s = self.now_s()
                value = call()
                self.land(key, flight, value, partial(keep, value, self.now_s() - begin_s))
            else:  # somebody landed between this caller's look-up and now
                self.end(key, flight, value)

    def join(self, key: Key) -> tuple[Flight[Value], bool]:
        """The flight for `key`, and whether the caller leads it and has to fly it."""
        with self._lock:
            flight = self.flying.get(key)
            if flight is not None:
                flight.waiting += 1
                self.joined += 1
                return flight, False
            flight = self.flying[key] = Flight()
            return flight, True

    def lead(self, key: Key) -> Flight[Value] | None:
        """A flight to fly for `key`, unless there is one already."""
        with self._lock:
            if key in self.flying:
                return None
            flight = self.flying[key] = Flight()
            return flight

    def leave(self, key: Key, flight: Flight[Value]) -> None:
        """Wait no longer; who waits last stops a computation that runs in a task."""
        with self._lock:
            flight.waiting -= 1
            if flight.waiting or flight.is_done or flight.task is None:
                return
            self.forget(key, flight)
        with suppress(RuntimeError):  # a loop that is closed runs nothing any more
            flight.task.get_loop().call_soon_threadsafe(flight.task.cancel)

    def land(
        self, key: Key, flight: Flight[Value], value: Value, keep: Callable[[], object]
    ) -> None:
        """Keep what was computed, unless the key was forgotten meanwhile, and tell who waits.

        Raises:
            TypeError: it can be used only once, so that the next caller would be given nothing.
        """
        if isinstance(value, _USED_ONCE):
            raise _used_once(value)
        with self._lock:
            if self.flying.get(key) is flight:
                keep()
        self.end(key, flight, value)

    def end(
        self,
        key: Key,
        flight: Flight[Value],
        value: Value | Missing,
        error: Exception | None = None,
    ) -> None:
        """Let nobody join any more, and tell who waits."""
        with self._lock:
            self.forget(key, flight)
            flight.end(value, error)
            wakes = flight.wakes
        for wake in wakes:
            wake()

    def when_done(self, flight: Flight[Value], wake: Callable[[], object]) -> None:
        """Have `wake` called once there is an outcome.

        Args:
            flight: the computation.
            wake: must not fail; called on whatever thread computes, or at once where it is done.
        """
        with self._lock:
            if not flight.is_done:
                flight.wakes.append(wake)
                return
        wake()

    def forget(self, key: Key, flight: Flight[Value] | None = None) -> None:
        """Let nobody join what is under way for `key`, and do not keep what it will give.

        Args:
            key: of what is computed.
            flight: only if it is this one.
        """
        with self._lock:
            if flight is None or self.flying.get(key) is flight:
                self.flying.pop(key, None)

    def forget_all(self) -> None:
        """Let nobody join what is under way, and keep none of it."""
        with self._lock:
            self.flying.clear()

    def _wait(self, flight: Flight[Value]) -> None:
        turnstile = Lock()
        turnstile.acquire()
        self.when_done(flight, turnstile.release)
        turnstile.acquire()


class Landing(Generic[Key, Value]):
    """Around a computation: where it does not end well, those who wait are told.

    Args:
        flights: where it is under way.
        key: of what is computed.
        flight: the computation.
        swallowed: what only they are told; anything else is raised too.
    """

    __slots__ = ("_flight", "_flights", "_key", "_swallowed")

    def __init__(
        self,
        flights: Flights[Key, Value],
        key: Key,
        flight: Flight[Value],
        swallowed: tuple[type[BaseException], ...] = (Exception,),
    ) -> None:
        self._flights = flights
        self._key = key
        self._flight = flight
        self._swallowed = swallowed

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            return False
        if not self._flight.is_done:
            told = error if isinstance(error, Exception) else Interrupted()
            self._flights.end(self._key, self._flight, MISSING, told)
        return isinstance(error, self._swallowed)


def _used_once(value: Any) -> TypeError:
    if isinstance(value, CoroutineType):
        value.close()
        return TypeError(
            "what was computed is a coroutine, which can be awaited once only: cache an "
            "`async def`, or use `get_or_compute_async`"
        )
    return TypeError(
        "what was computed is a generator, which can be read once only: compute a list"
    )
