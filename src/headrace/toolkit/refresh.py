"""Stale-while-revalidate: the old value is given at once, and a new one computed meanwhile."""

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from threading import RLock, Thread, get_ident
from typing import TYPE_CHECKING, Final, Generic

from headrace.toolkit.flights import Flight, Flights, Keep, Key, Landing, Value

if TYPE_CHECKING:
    from headrace.toolkit.async_flights import AsyncFlights

# Computations in the background at once, by one cache; beyond, the old value is given on.
REFRESHES_MAX: Final = 8
# One that failed is tried again after this share of the time that stale values are given for.
PAUSE_SHARE: Final = 0.1
# Keys that are known to have failed; whoever is forgotten is tried again sooner.
PAUSES_MAX: Final = 1024


class Refresher(Generic[Key, Value]):
    """Computes in the background what is stale. Thread-safe; bounded.

    Args:
        flights: of the cache whose values these are.
        pause_s: how long a key is left alone after its computation failed, in seconds.

    Attributes:
        done: computations that gave a new value.
        errors: computations that failed.
        last_error: type of what the last one of them raised; empty where there was none.
    """

    def __init__(self, flights: Flights[Key, Value], pause_s: float) -> None:
        self._flights = flights
        self._pause_s = pause_s
        self._lock = RLock()
        self._paused: dict[Key, float] = {}
        self._running = 0
        self.done = 0
        self.errors = 0
        self.last_error = ""

    def on_thread(
        self, key: Key, call: Callable[[], Value], keep: Keep[Value], *, anew: bool = False
    ) -> None:
        """Compute on a daemon thread, unless it is under way, or not the time.

        Args:
            key: of what is computed.
            call: computes it.
            keep: holds it.
            anew: whether to compute what is held, and fresh.
        """
        flight = self._begin(key)
        if flight is None:
            return

        def fly(flight: Flight[Value]) -> None:
            flight.thread = get_ident()
            self._flights.fly(key, flight, call, keep, anew=anew)

        with Landing(self._flights, key, flight):  # where no thread can be started any more
            Thread(target=copy_context().run, args=(fly, flight), daemon=True).start()

    def in_task(
        self,
        key: Key,
        call: Callable[[], Awaitable[Value]],
        keep: Keep[Value],
        flights: "AsyncFlights[Key, Value]",
        *,
        anew: bool = False,
    ) -> None:
        """Compute in a task, unless it is under way, or not the time.

        Args:
            key: of what is computed.
            call: computes it.
            keep: holds it.
            flights: start it.
            anew: whether to compute what is held, and fresh.
        """
        flight = self._begin(key)
        if flight is not None:
            flights.start(key, flight, call, keep, anew=anew)

    def _begin(self, key: Key) -> Flight[Value] | None:
        with self._lock:
            if self._running >= REFRESHES_MAX:
                return None
            if self._flights.now_s() < self._paused.get(key, float("-inf")):
                return None
            flight = self._flights.lead(key)
            if flight is None:
                return None
            self._paused.pop(key, None)
            self._running += 1

        self._flights.when_done(flight, partial(self._ended, key, flight))
        return flight

    def _ended(self, key: Key, flight: Flight[Value]) -> None:
        with self._lock:
            self._running -= 1
            if flight.error is None:
                self.done += 1
                return
            self.errors += 1
            self.last_error = type(flight.error).__name__
            if len(self._paused) >= PAUSES_MAX:
                del self._paused[next(iter(self._paused))]
            self._paused[key] = self._flights.now_s() + self._pause_s
