"""Many transactions, one commit: what waits while a commit is under way goes with the next one.

A commit that has to reach the disk takes milliseconds, however little it holds. Group commit is of
DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from headrace.store.crew import Crew
from headrace.store.faults import StoreBusy, StoreClosed, StoreFault, StoreTimeout
from headrace.store.records.records import BoundStep, Row
from headrace.store.records.sqlite_link import RecordLink

Rows = list[list[Row]]
_Writing = tuple[Sequence[BoundStep], "asyncio.Future[Rows]"]

# Writes that share a commit: what one of them waits for the others is bounded.
_GROUP_MAX: Final = 256


class GroupCommit:
    """Gathers writes for the one thread that writes. Belongs to one loop.

    Args:
        writer: the thread.
        waiting_max: writes that may wait; more are refused.
        limit_s: seconds that a write may take, waiting for its turn included.
    """

    def __init__(self, writer: "Crew[RecordLink]", waiting_max: int, limit_s: float) -> None:
        self._writer = writer
        self._waiting_max = waiting_max
        self._limit_s = limit_s
        self._waiting: deque[_Writing] = deque()
        self._is_busy = False
        self._is_closed = False
        self._idle = asyncio.Event()

    def __len__(self) -> int:
        """How many writes wait."""
        return len(self._waiting)

    async def write(self, steps: Sequence[BoundStep]) -> Rows:
        """Run statements as one transaction, which shares its commit with others.

        Raises:
            StoreFault: it failed, whatever became of the others; or there was no room or time.
        """
        if self._is_closed:
            raise StoreClosed("The store is closed.")
        if len(self._waiting) >= self._waiting_max:
            raise StoreBusy(f"{len(self._waiting)} writes wait for the store")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rows] = loop.create_future()
        self._waiting.append((steps, future))
        timer = loop.call_later(self._limit_s, self._give_up, future)
        try:
            self._begin()
            return await future
        finally:
            timer.cancel()

    async def close(self, limit_s: float) -> None:
        """Take nothing more, and wait until what waits is written, or the limit has passed."""
        self._is_closed = True
        if not self._is_busy:
            return
        try:
            await asyncio.wait_for(self._idle.wait(), limit_s)
        except TimeoutError:
            return  # whoever waits is told by a limit of its own

    def _begin(self) -> None:
        while self._waiting and not self._is_busy:
            group = [each for each in self._take() if not each[1].done()]
            if group:  # else all of them have given up
                self._submit(group)

    def _submit(self, group: Sequence[_Writing]) -> None:
        try:
            done = self._writer.submit(_write_all([steps for steps, _ in group]))
        except StoreFault as fault:
            for _, future in group:
                future.set_exception(fault)
            return
        self._is_busy = True
        self._idle.clear()
        done.add_done_callback(lambda outcome: self._end(group, outcome))

    def _take(self) -> list[_Writing]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP_MAX))]

    def _end(
        self, group: Sequence[_Writing], outcome: "asyncio.Future[list[Rows | StoreFault]]"
    ) -> None:
        self._is_busy = False
        fault = outcome.exception()
        outcomes = [fault] * len(group) if fault is not None else outcome.result()
        for (_, future), each in zip(group, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(each, BaseException):
                future.set_exception(each)
            else:
                future.set_result(each)
        self._begin()
        if not self._is_busy:
            self._idle.set()

    def _give_up(self, future: "asyncio.Future[Rows]") -> None:
        if not future.done():
            future.set_exception(
                StoreTimeout(f"The writer of the store took longer than {self._limit_s:g} s")
            )


def _write_all(
    groups: Sequence[Sequence[BoundStep]],
) -> Callable[[RecordLink], list[Rows | StoreFault]]:
    return lambda link: link.write_all(groups)
