"""Background tasks and other work that may fail: each is held, and none fails unheard."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from headrace.errors import HeadraceError

Subject = TypeVar("Subject")
Outcome = TypeVar("Outcome")
OnBug = Callable[[BaseException], None]
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
Work = Callable[[], Coroutine[Any, Any, None]]
Keep = Callable[[Work], object]

# Long enough that a bug met each time does not fill the machine.
AGAIN_S: Final = 1.0


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
        again_s: how long work that is kept going rests after one, in seconds.
    """

    def __init__(self, on_bug: OnBug, again_s: float = AGAIN_S) -> None:
        self._on_bug = on_bug
        self._again_s = again_s
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

    def keep(self, work: Work) -> asyncio.Task[None]:
        """Start work that is to go on until it is cancelled, whatever goes wrong in it."""
        return self.spawn(self._keep(work))

    async def close(self) -> None:
        """Cancel what runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, work: Work) -> None:
        while True:
            task = self.spawn(work())  # whose bugs are told
            await asyncio.wait((task,))
            if task.cancelled() or task.exception() is None:
                return
            await asyncio.sleep(self._again_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_bug(error)
