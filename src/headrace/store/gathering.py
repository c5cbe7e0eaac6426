"""Reads of one turn of the loop as one read: a thread is woken and a statement run once for all."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from headrace.store.crew import Crew
from headrace.store.database import Link
from headrace.store.faults import StoreFault, StoreTimeout

Values = Mapping[bytes, bytes]
Find = Callable[[Link, list[bytes], float], Values]

# Keys of one read; more than a turn ever brings, and few enough to hold their values in memory.
BATCH_KEYS_MAX: Final = 64


class _Batch:
    """Keys that are read together, and who waits for each."""

    __slots__ = ("now_s", "waiters")

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self.waiters: dict[bytes, list[asyncio.Future[bytes | None]]] = {}

    def fail(self, fault: StoreFault) -> None:
        for waiters in self.waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(fault)

    def answer(self, values: Values) -> None:
        for key, waiters in self.waiters.items():
            value = values.get(key)
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(value)


class Gathering:
    """Collects the keys of a turn and reads them in the next.

    Args:
        readers: who reads.
        find: reads keys, in a thread; leaves out those that are not there.
        limit_s: how long a read may take in all.
    """

    def __init__(self, readers: Crew[Link], find: Find, limit_s: float) -> None:
        self._readers = readers
        self._find = find
        self._limit_s = limit_s
        self._batch: _Batch | None = None

    async def get(self, key: bytes, now_s: float) -> bytes | None:
        """The value of a key.

        Raises:
            StoreFault: it could not be read in time.
        """
        loop = asyncio.get_running_loop()
        batch = self._batch
        if batch is None or len(batch.waiters) >= BATCH_KEYS_MAX:
            batch = self._batch = _Batch(now_s)
            loop.call_soon(self._send, batch)
        waiter: asyncio.Future[bytes | None] = loop.create_future()
        batch.waiters.setdefault(key, []).append(waiter)
        return await waiter

    def _send(self, batch: _Batch) -> None:
        if batch is self._batch:
            self._batch = None
        keys, now_s, find = list(batch.waiters), batch.now_s, self._find
        try:
            reading = self._readers.submit(lambda link: find(link, keys, now_s))
        except StoreFault as fault:
            batch.fail(fault)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limit_s, self._give_up, batch, reading)
        reading.add_done_callback(lambda done: self._deliver(batch, done, timer))

    def _give_up(self, batch: _Batch, reading: asyncio.Future[Values]) -> None:
        reading.cancel()
        batch.fail(StoreTimeout(f"The store took longer than {self._limit_s:g} s to read"))

    def _deliver(
        self, batch: _Batch, reading: asyncio.Future[Values], timer: asyncio.TimerHandle
    ) -> None:
        timer.cancel()
        if reading.cancelled():
            return
        fault = reading.exception()
        if isinstance(fault, StoreFault):
            batch.fail(fault)
        else:
            batch.answer(reading.result())
