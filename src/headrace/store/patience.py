"""Waiting for what may not let itself be cancelled: a driver whose server is frozen."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Patience:
    """Owns what was begun, until it has ended. Belongs to one loop."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How much is under way, what was left behind included."""
        return len(self._under_way)

    def begin(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Have some work done in a task that is kept until its end."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._over)
        return task

    async def within(self, limit_s: float, work: Coroutine[Any, Any, Result]) -> Result:
        """Do some work, and wait for it no longer than the limit.

        Raises:
            TimeoutError: the limit passed. The work is cancelled, and left behind until it sees.
        """
        task = self.begin(work)
        try:
            await asyncio.wait((task,), timeout=limit_s)
        finally:
            if not task.done():
                task.cancel()
        if not task.done():
            raise TimeoutError(f"it took longer than {limit_s:g} s")
        return task.result()

    async def end(self, limit_s: float) -> bool:
        """Wait for all of it, and cancel what is not done; returns whether all was."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=limit_s)
        is_done = not self._under_way
        for task in self._under_way:
            task.cancel()
        return is_done

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else may look
