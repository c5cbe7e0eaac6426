"""Finds the batches that nobody runs, and runs them."""

import asyncio
import contextlib
from typing import Final

from headrace.batches.files import Files
from headrace.batches.gear import Gear
from headrace.batches.hold import Hold
from headrace.batches.run import BatchRun
from headrace.errors import HeadraceError
from headrace.store.faults import StoreFault
from headrace.store.records.leases import RecordLeases

POLL_S: Final = 2.0
"""How often it is looked for batches whose process is gone."""
REST_S: Final = 2.0
"""A batch that did not come to its end is left alone for so long."""
CLEAN_S: Final = 60.0
STRAYS_S: Final = 3600.0
"""How often it is looked for files that nothing is known of; the first time at the start."""
# A file of which no byte came for a day will not come any more, and will not be noted either.
LOST_S: Final = 86_400.0


class Keeper:
    """Runs batches, a few at once. Belongs to one event loop.

    Args:
        files: which are cleaned, and know the data directory.
        leases: of this process.
        gear: what runs share.
    """

    def __init__(self, files: Files, leases: RecordLeases, gear: Gear) -> None:
        self._files = files
        self._leases = leases
        self._gear = gear
        self._runs: dict[str, BatchRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rests_until_s: dict[str, float] = {}
        self._failures: dict[str, int] = {}  # in a row, of a batch, that nobody expected
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._clean_s = 0.0
        self._strays_s = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether anything runs."""
        return bool(self._runs)

    def wake(self, batch_id: str = "") -> None:
        """There is a new batch, or something is to be seen of one that may run here."""
        if batch_id in self._runs:
            self._runs[batch_id].wake()
        self._woken.set()

    async def keep(self) -> None:
        """Look for batches until this is cancelled."""
        while not self._is_stopping:
            # Where nobody ever sent a file, the store is left alone.
            if self._gear.shelf.is_used:
                try:
                    await self._look()
                except HeadraceError as error:
                    self._gear.say("warning", "batches_wait", detail=error.message)
                except OSError as error:
                    self._gear.say("warning", "batches_wait", detail=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()
            self._woken.clear()

    def stop(self) -> None:
        """Begin nothing new; lines under way are waited for."""
        self._is_stopping = True
        self._woken.set()
        for run in self._runs.values():
            run.stop()

    async def close(self) -> None:
        """End what runs; another process goes on with it."""
        self.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        place = await self._files.place()
        now_s = self._gear.clock.monotonic_s()
        resting = {each: at_s for each, at_s in self._rests_until_s.items() if at_s > now_s}
        self._rests_until_s = resting
        for batch_id in await self._gear.table.pending(place):
            if self._is_stopping or len(self._runs) >= self._gear.settings().batches.at_once:
                break
            if batch_id not in self._runs and batch_id not in resting:
                await self._try(batch_id)
        if now_s >= self._clean_s:
            self._clean_s = now_s + CLEAN_S
            await self._files.clean(LOST_S)
            keep_s = self._gear.settings().files.keep_s
            await self._gear.table.forget(place, self._gear.clock.wall_s() - keep_s)
        if now_s >= self._strays_s:
            self._strays_s = now_s + STRAYS_S
            await self._sweep_strays()

    async def _sweep_strays(self) -> None:
        strays = await self._files.sweep_strays(LOST_S)
        if strays:
            detail = f"{strays} files that nothing is known of: whoever took them in was killed"
            self._gear.say("info", "files_swept", detail=detail)

    async def _try(self, batch_id: str) -> None:
        lease_s = self._gear.settings().batches.lease_s
        hold = Hold(self._leases, batch_id, lease_s, self._gear.clock.monotonic_s)
        if not await hold.take():
            return
        batch = await self._gear.table.read(batch_id)
        if self._is_stopping or batch is None or batch.ended_s is not None:
            await hold.give_back()
            return
        self._runs[batch_id] = run = BatchRun(
            batch, hold, self._gear, failures=self._failures.get(batch_id, 0)
        )
        self._gear.counts.running(len(self._runs))
        task = self._gear.spawn(self._run(batch_id, run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, batch_id: str, run: BatchRun) -> None:
        failures = self._failures.pop(batch_id, 0) + 1
        try:
            await run.run()
            failures = 0
        except StoreFault as fault:
            self._gear.say("warning", "batch_let_go", about=batch_id, detail=fault.message)
            failures = 0
        finally:
            if failures:  # whatever it was is told by who looks after tasks
                self._failures[batch_id] = failures
            self._rests_until_s[batch_id] = self._gear.clock.monotonic_s() + REST_S
            del self._runs[batch_id]
            self._gear.counts.running(len(self._runs))
            self._woken.set()
