"""One batch on its way from its lines to its results, in this process.

Whoever holds a batch reads which results are there, asks for the others, and writes each down
before it asks for more. Dying at any moment loses the lines under way and nothing else.
"""

import asyncio
from typing import Final

import msgspec

from headrace.batches.checking import check, faults_told
from headrace.batches.gear import Gear
from headrace.batches.hold import Hold
from headrace.batches.lines import LineFault
from headrace.batches.nouns import Batch, Ending
from headrace.batches.source import LineSource
from headrace.batches.traced import tell_run
from headrace.batches.unanswered import Stopping
from headrace.batches.work import Work
from headrace.store.faults import StoreFault

TICK_S: Final = 1.0
AGAIN_S: Final = 1.0
FAILURES_MAX: Final = 3
"""A batch whose runs end so often in a way that nobody expected has failed."""


class BatchRun:
    """Runs one batch. Belongs to one event loop.

    Args:
        batch: as it stood when this process came to hold it.
        hold: its lease.
        gear: what runs share.
        failures: runs of it in a row that a bug has ended.
    """

    def __init__(self, batch: Batch, hold: Hold, gear: Gear, *, failures: int = 0) -> None:
        self._batch = batch
        self._hold = hold
        self._gear = gear
        self._failures = failures
        tracer = gear.asker.tracer
        self._trace = tracer.resume(batch.trace) if tracer is not None else None
        links = self._trace.link if self._trace is not None else ()
        self._work = Work(batch, gear, may_write=lambda: hold.is_held, links=links)
        self._working: asyncio.Task[None] | None = None
        self._is_interrupted = False
        self._ending: Ending | None = None
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Run it to its end, or until this process may not or shall not any more."""
        watching, began_s = self._gear.spawn(self._watch()), self._gear.clock.monotonic_s()
        ended: Ending | None = None
        try:
            ending = await self._work_or_interruption()
            if ending is not None:
                await self._conclude(ending)
                ended = ending if self._hold.is_held else None
        except OSError as error:
            self._say_disk(error)
        except Stopping:  # whoever goes on with it ends it
            pass
        finally:
            watching.cancel()
            await self._work.close()
            await self._let_go()
            if self._trace is not None:
                tell_run(self._trace, self._batch, self._work.totals, ended, began_s)

    def stop(self) -> None:
        """Ask no more lines; those under way are waited for."""
        self._work.stop()

    def wake(self) -> None:
        """It may have been cancelled: look at once."""
        self._woken.set()

    # What happens beside the work.

    async def _watch(self) -> None:
        """Stay who runs it, tell how far it is, and see whether it has to end."""
        while True:
            try:
                async with asyncio.timeout(TICK_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                await self._look()
            except StoreFault as fault:
                if not self._hold.is_held:
                    self._say("batch_let_go", fault.message)
                    self._interrupt(None)

    async def _look(self) -> None:
        if self._hold.is_due and not await self._hold.take():
            self._interrupt(None)
            return
        state = await self._gear.table.tell(self._batch.id, self._work.totals)
        if state == "cancelling" or self._is_revoked:
            self._interrupt("cancelled")
        elif self._is_expired:
            self._interrupt("expired")

    @property
    def _is_expired(self) -> bool:
        return self._gear.clock.wall_s() >= self._batch.expires_s

    @property
    def _is_revoked(self) -> bool:
        """Whether the key that asked for the batch does not count any more."""
        return not self._gear.may_ask(self._batch.who)

    def _tell_revoked(self) -> None:
        message = (
            f"The key '{self._batch.key_name}' that asked for this batch was revoked, or has "
            "expired; what was answered until then is kept."
        )
        bad_lines = msgspec.json.decode(self._batch.faults)
        why = msgspec.json.decode(faults_told([LineFault(0, "key_revoked", message)]))
        faults = msgspec.json.encode(why + bad_lines).decode()
        self._batch = msgspec.structs.replace(self._batch, faults=faults)

    def _interrupt(self, ending: Ending | None) -> None:
        if self._working is not None and not self._working.done():
            self._is_interrupted, self._ending = True, ending
            self._working.cancel()

    # The way.

    async def _work_or_interruption(self) -> Ending | None:
        self._working = self._gear.spawn(self._do())
        try:
            await self._working
        except asyncio.CancelledError:
            if not self._is_interrupted:
                raise
        return self._ending

    async def _do(self) -> None:
        ending = await self._done()
        if not self._is_interrupted:
            self._ending = ending

    async def _done(self) -> Ending | None:
        try:
            if self._failures >= FAILURES_MAX:
                return await self._give_up()
            if self._batch.state == "validating" and not await self._validate():
                return "failed"
            await self._work.open()
            if self._batch.state == "cancelling":
                return "cancelled"
            if self._is_expired:
                return "expired"
            if self._is_revoked:
                return "cancelled"
            is_done = await self._work.ask_all()
        except FileNotFoundError:
            self._wrong(LineFault(0, "file_not_found", "The file is not there any more."))
            return "failed"
        except OSError as error:
            self._say_disk(error)
            return None
        return "completed" if is_done else None

    async def _validate(self) -> bool:
        """Look at all lines; whether there is anything to ask."""
        source = LineSource(*self._work.lines)
        try:
            checked = await check(source, self._gear.settings().batches.lines_max)
        finally:
            source.close()
        self._batch = msgspec.structs.replace(
            self._batch, total=checked.total, faults=faults_told(checked.faults)
        )
        if not checked.requests:
            return False
        await self._insist_begin()
        return True

    async def _give_up(self) -> Ending:
        """End what ends every run of it; what was answered is kept, unless it is that."""
        message = "The gateway failed at this batch again and again; its log says how."
        self._wrong(LineFault(0, "gateway_failed", message))
        if self._failures == FAILURES_MAX and self._batch.state != "validating":
            await self._work.open()
        return "failed"

    async def _insist_begin(self) -> None:
        batch, table = self._batch, self._gear.table
        while self._hold.is_held:
            try:
                now_s = self._gear.clock.wall_s()
                await table.begin(batch.id, batch.total, batch.faults, now_s)
            except StoreFault as fault:
                self._say("batch_waits", fault.message)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _conclude(self, ending: Ending) -> None:
        """Put everything where callers find it; the store is insisted on."""
        if ending != "failed":
            await self._work.finish(is_expired=ending == "expired")
        if ending == "cancelled" and self._is_revoked:
            self._tell_revoked()
        while self._hold.is_held:
            try:
                await self._end(ending)
            except StoreFault as fault:
                self._say("batch_waits", fault.message)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _end(self, ending: Ending) -> None:
        table, batch, now_s = self._gear.table, self._batch, self._gear.clock.wall_s()
        if ending == "completed":
            await table.finalize(batch.id, now_s)
        await table.end(batch, ending, self._work.totals, self._work.files(now_s), now_s)

    async def _let_go(self) -> None:
        try:
            if self._hold.is_held:
                await self._gear.table.tell(self._batch.id, self._work.totals)
            await self._hold.give_back()
        except StoreFault as fault:  # the lease expires by itself
            self._say("batch_let_go", fault.message)

    def _wrong(self, fault: LineFault) -> None:
        self._batch = msgspec.structs.replace(self._batch, faults=faults_told([fault]))

    def _say_disk(self, error: OSError) -> None:
        """It stays pending: whoever comes next tries again."""
        self._say("batch_disk", error.strerror or str(error))

    def _say(self, event: str, why: str) -> None:
        self._gear.say("warning", event, about=self._batch.id, detail=why)
