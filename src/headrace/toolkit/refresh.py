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
# Keys that are known to have failed; whoever is forgotten is tried again sooner.
PAUSES_MAX: Final = 1024


class Refresher(Generic[Key, Value]):
    """Computes in the background what is stale. Thread-safe; bounded.

    Args:
        flights: of the cache whose values these are.
        pause_s: how long a key is left alone after its computation failed, in seconds.

    Attributes:
        errors: computations that failed.
        last_error: type of what the last one of them raised; empty where there was none.
    """

    def __init__(self, flights: Flights[Key, Value], pause_s: float) -> None:
        self._flights = flights
        self._pause_s = pause_s
        self._lock = RLock()
        self._paused: dict[Key, float] = {}
        self._running = 0
        self.errors = 0
        self.last_error = ""

    def on_thread(self, key: Key, call: Callable[[], Value], keep: Keep[Value]) -> None:
        """Compute on a daemon thread, unless it is under way, or not the time."""
        flight = self._begin(key)
        if flight is not None:
            run = copy_context().run
            with Landing(self._flights, key, flight):  # where no thread can be started any more
                work = (self._fly, key, flight, call, keep)
                Thread(target=run, args=work, daemon=True).start()

    def _fly(
        self, key: Key, flight: Flight[Value], call: Callable[[], Value], keep: Keep[Value]
    ) -> None:
        flight.thread = get_ident()
        self._flights.fly(key, flight, call, keep)

    def in_task(
        self,
        key: Key,
        call: Callable[[], Awaitable[Value]],
        keep: Keep[Value],
        flights: "AsyncFlights[Key, Value]",
    ) -> None:
        """Compute in a task, unless it is under way, or not the time.

        Args:
            key: of what is computed.
            call: computes it.
            keep: holds it.
            flights: start it.
        """
        flight = self._begin(key)
        if flight is not None:
            flights.start(key, flight, call, keep)

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
                return
            self.errors += 1
            self.last_error = type(flight.error).__name__
            if len(self._paused) >= PAUSES_MAX:
                del self._paused[next(iter(self._paused))]
            self._paused[key] = self._flights.now_s() + self._pause_s
