"""Work on the loop that callers wait for no longer than they want to."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from headrace.store.faults import StoreBusy, StoreClosed, StoreTimeout

Result = TypeVar("Result")


class Waits:
    """Keeps every task that was started until it ends. Belongs to one loop.

    A driver whose server is silent may take its time to be cancelled: it is left to that.

    Args:
        name: of what is waited for, for messages.
        waiting_max: tasks at once; more are refused.
    """

    def __init__(self, name: str, waiting_max: int) -> None:
        self._name = name
        self._waiting_max = waiting_max
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, coroutine: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Start some work; whoever started it need not wait for it."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    async def run(self, coroutine: Coroutine[Any, Any, Result], limit_s: float) -> Result:
        """Do some work, and wait for it no longer than the limit.

        Raises:
            StoreTimeout: the limit passed.
            StoreBusy: too many wait already.
            StoreClosed: it is all over.
        """
        if self._is_closed or len(self._tasks) >= self._waiting_max:
            coroutine.close()
            if self._is_closed:
                raise StoreClosed("The store is closed.")
            raise StoreBusy(f"{len(self._tasks)} calls wait for the store {self._name}")
        task = self.start(coroutine)
        try:
            await asyncio.wait((task,), timeout=limit_s)
        finally:
            if not task.done():
                task.cancel()
        if not task.done():
            raise StoreTimeout(f"The store {self._name} took longer than {limit_s:g} s")
        return task.result()

    async def close(self, limit_s: float) -> bool:
        """Start nothing more; returns whether all ended within the limit."""
        self._is_closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
        for task in self._tasks:
            task.cancel()
        return not self._tasks

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits is told; nobody may wait any more
