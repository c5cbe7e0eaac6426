"""Background tasks and other work that may fail: each is held, and none fails unheard."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from headrace.errors import HeadraceError

Subject = TypeVar("Subject")
Outcome = TypeVar("Outcome")
OnBug = Callable[[BaseException], None]
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


def attempt(
    work: Callable[[Subject], Outcome], subject: Subject, report: OnBug
) -> Outcome | HeadraceError:
    """Do what others wait for: a bug in it is told, and becomes an error like any other."""
    try:
        return work(subject)
    except HeadraceError as error:
        # Its trace leads to whoever keeps the error: a cycle, left to the garbage collector.
        return error.with_traceback(None)
    except Exception as bug:  # noqa: BLE001  # or whoever waits would never hear of it
        report(bug)
        return HeadraceError("The gateway failed; its log says how.")


class Tasks:
    """Starts tasks and looks after them until they end.

    Args:
        on_bug: told of an exception that no one expected.
    """

    def __init__(self, on_bug: OnBug) -> None:
        self._on_bug = on_bug
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a coroutine; where Python can, its first step runs at once."""
        loop = asyncio.get_running_loop()
        task: asyncio.Task[None]
        if sys.version_info >= (3, 12):
            task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        else:
            task = loop.create_task(coroutine)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        else:
            self._ended(task)
        return task

    async def close(self) -> None:
        """Cancel what runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_bug(error)
