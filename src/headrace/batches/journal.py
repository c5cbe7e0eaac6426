"""Results on their way to the disk: written in groups, by a thread, in the order they came."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from headrace.batches.results import Overtaken, Result, ResultFile, Totals
from headrace.gateway.tasks import Spawn

# What was written is brought to the disk itself at least this often; only a machine that loses its
# power loses what is younger.
SYNC_S: Final = 1.0
# A disk that does not take anything is asked again after this.
AGAIN_S: Final = 2.0
# Whether the batch is held again is looked at this often.
HELD_S: Final = 0.2


class _Group(msgspec.Struct, eq=False):
    """Results that are written together."""

    results: list[Result]
    settled: asyncio.Event
    is_written: bool = False


class Journal:
    """Writes the results of one batch. Belongs to one event loop.

    What waits is written together; who puts a result in waits until it is written, so that no more
    results are unwritten than lines are asked at once. A full disk makes everybody wait.

    Args:
        output: answers.
        errors: the rest.
        totals: how far the batch is; what is written is counted there.
        may_write: whether this process still holds the batch.
        on_trouble: told why the disk takes nothing, each time it was tried.
        spawn: starts a task.
        now_s: the time, monotonic seconds.
    """

    def __init__(
        self,
        output: ResultFile,
        errors: ResultFile,
        totals: Totals,
        *,
        may_write: Callable[[], bool],
        on_trouble: Callable[[OSError], None],
        spawn: Spawn,
        now_s: Callable[[], float],
    ) -> None:
        self.totals = totals
        self._files = (errors, output)
        self._may_write = may_write
        self._on_trouble = on_trouble
        self._spawn = spawn
        self._now_s = now_s
        self._writing: asyncio.Task[None] | None = None
        self._group = _Group([], asyncio.Event())
        self._synced_s = now_s()
        self._is_over = asyncio.Event()

    async def put(self, result: Result) -> None:
        """Write a result; it is written when this returns.

        Raises:
            Overtaken: it cannot be any more: another process has the batch, or this one gives up.
        """
        group = self._group
        group.results.append(result)
        if self._writing is None or self._writing.done():
            self._writing = self._spawn(self._write())
        await group.settled.wait()
        if not group.is_written:
            raise Overtaken("This process writes no more results of the batch")

    async def settle(self) -> None:
        """Wait until nothing waits."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait((self._writing,))

    async def close(self) -> None:
        """Give up what the disk does not take; close the files."""
        self._is_over.set()
        await self.settle()
        for file in self._files:
            file.close()

    async def sync(self) -> None:
        """Bring everything to the disk, as far as it takes it."""
        for file in self._files:
            try:
                await asyncio.to_thread(file.sync)
            except OSError as error:
                self._on_trouble(error)

    async def _write(self) -> None:
        while self._group.results:
            await self._until_held()
            group, self._group = self._group, _Group([], asyncio.Event())
            try:
                group.is_written = await self._append(group.results)
                for result in group.results if group.is_written else ():
                    self.totals.add(result)
            finally:
                group.settled.set()

    async def _until_held(self) -> None:
        while not self._may_write() and not self._is_over.is_set():
            await self._pause(HELD_S)

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_over.wait(), wait_s)

    async def _append(self, results: list[Result]) -> bool:
        for is_good, file in enumerate(self._files):
            lines = b"".join([each.line for each in results if each.is_good == is_good])
            if lines and not await self._insist(file, lines):
                return False
        now_s = self._now_s()
        if now_s - self._synced_s >= SYNC_S:
            self._synced_s = now_s
            await self.sync()
        return True

    async def _insist(self, file: ResultFile, lines: bytes) -> bool:
        """Write lines, however often it takes; whether they are written."""
        while not self._is_over.is_set():
            try:
                await asyncio.to_thread(file.append, lines)
            except Overtaken:
                self._is_over.set()
            except OSError as error:
                self._on_trouble(error)
                await self._pause(AGAIN_S)
            else:
                return True
        return False
