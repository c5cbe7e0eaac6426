"""Single-flight for coroutines, on one event loop or several.

The computation runs in a task of its own: a caller that is cancelled leaves, and the computation
goes on for the others. When the last one has left, it is cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Generic

from headrace.gateway.tasks import Tasks
from headrace.toolkit.flights import Flight, Flights, Interrupted, Keep, Key, Landing, Value
from headrace.toolkit.missing import MISSING


class AsyncFlights(Generic[Key, Value]):
    """Flies in tasks what may be joined from tasks and threads.

    Args:
        flights: those under way.
    """

    def __init__(self, flights: Flights[Key, Value]) -> None:
        self._flights = flights
        self._tasks = Tasks(_tell_loop)

    async def compute(
        self, key: Key, call: Callable[[], Awaitable[Value]], keep: Keep[Value]
    ) -> Value:
        """What `call` gives, or what the computation gives that is under way already.

        Args:
            key: of what is computed.
            call: computes it.
            keep: holds it.
        """
        flights = self._flights
        while True:
            flight, leads = flights.join(key)
            if leads:
                self.start(key, flight, call, keep)
            elif flight.task is not None and flight.task is asyncio.current_task():
                flights.leave(key, flight)  # it asks for its own key: waiting would never end
                return await call()
            if not flight.is_done:
                await self._wait(key, flight)
            if not isinstance(flight.error, Interrupted):
                return flight.outcome()
            if leads:  # what was computed cancelled itself
                raise asyncio.CancelledError

    async def _wait(self, key: Key, flight: Flight[Value]) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def tell() -> None:
            if not done.done():
                done.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # a loop that is closed waits for nothing any more
                loop.call_soon_threadsafe(tell)

        self._flights.when_done(flight, wake)
        try:
            await done
        except asyncio.CancelledError:
            self._flights.leave(key, flight)
            raise

    def start(
        self,
        key: Key,
        flight: Flight[Value],
        call: Callable[[], Awaitable[Value]],
        keep: Keep[Value],
        *,
        anew: bool = False,
    ) -> None:
        """Let a flight fly in a task of its own; `anew` also for what is held by now."""
        with Landing(self._flights, key, flight):
            self._tasks.spawn(self._fly(key, flight, call, keep, anew))

    async def _fly(
        self,
        key: Key,
        flight: Flight[Value],
        call: Callable[[], Awaitable[Value]],
        keep: Keep[Value],
        anew: bool,
    ) -> None:
        flights = self._flights
        with Landing(flights, key, flight, (Exception, asyncio.CancelledError)):
            flight.task = asyncio.current_task()
            value = MISSING if anew else flights.peek(key)
            if value is MISSING:
                begin_s = flights.now_s()
                value = await call()
                flights.land(key, flight, value, partial(keep, value, flights.now_s() - begin_s))
            else:  # somebody landed between the caller's look-up and now
                flights.end(key, flight, value)


def _tell_loop(bug: BaseException) -> None:
    """Errors of computations go to who waits: this one is of the cache itself."""
    told = {"message": "a computation for a cache could not end", "exception": bug}
    asyncio.get_running_loop().call_exception_handler(told)
