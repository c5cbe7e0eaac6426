"""Reads from standbys: who is asked is the roster's to say, here they are asked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from headrace.clock import Clock
from headrace.store.records.records import Row
from headrace.store.records.roster import ReplicaBounds, Roster, Sighting, Standing
from headrace.store.records.standby import Standby, StandbyFailed
from headrace.store.records.waits import Waits
from headrace.store.voice import Level

# While somebody waits for a standby, it is asked how far it is with pauses of this length.
_POLL_S: Final = 0.0003
# Between two looks, even where the primary is lost again and again.
_PAUSE_S_MIN: Final = 0.05

Tell = Callable[[Level, str, str, str], None]


class ReadCounts:
    """How reads went.

    Attributes:
        at_once: a standby was there already.
        waited: one was waited for, and came.
        in_vain: one was waited for; the primary was asked.
        nobody: none was fit to be asked or waited for.
        failed: one failed; the primary was asked.
    """

    __slots__ = ("at_once", "failed", "in_vain", "nobody", "waited")

    def __init__(self) -> None:
        self.at_once = self.waited = self.in_vain = self.nobody = self.failed = 0

    def told(self) -> dict[str, int]:
        """The same by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class ReplicaReads:
    """Belongs to one loop. Opens nothing until it is started.

    Args:
        standbys: who may be asked.
        bounds: what is expected of them.
        look_at_primary: what the primary tells of itself; None where it cannot be asked.
        clock: the time.
        waits: owns the tasks.
        tell: takes what happens: how bad, the event's name, about what, and more.

    Attributes:
        counts: how reads went.
    """

    def __init__(
        self,
        standbys: Sequence[Standby],
        bounds: ReplicaBounds,
        *,
        look_at_primary: Callable[[], Awaitable[Sighting | None]],
        clock: Clock,
        waits: Waits,
        tell: Tell,
    ) -> None:
        self.counts = ReadCounts()
        self._standbys = standbys
        self._bounds = bounds
        self._roster = Roster(tuple(each.name for each in standbys), bounds)
        self._look_at_primary = look_at_primary
        self._clock = clock
        self._waits = waits
        self._tell = tell
        self._waiters: list[list[tuple[int, asyncio.Future[bool]]]] = [[] for _ in standbys]
        self._polls: list[asyncio.Task[None] | None] = [None for _ in standbys]
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Look at everybody, now and from time to time; once started, this does nothing."""
        if self._watch is None:
            self._watch = self._waits.start(self._keep_looking())

    def primary_changed(self) -> None:
        """The connection to the primary broke: it may be another server from now on."""
        self._roster.primary_changed()
        self._wake.set()

    async def fetch(
        self, text: str, values: Mapping[str, object], position: int, *, waits: bool = True
    ) -> list[Row] | None:
        """The rows of a query, from a standby that has replayed up to a position.

        Args:
            text: the query.
            values: what is bound.
            position: where the session is.
            waits: whether one that is not there yet may be waited for.

        Returns:
            The rows; None where the primary has to be asked.

        Raises:
            psycopg.Error: the query is wrong.
        """
        at = self._roster.ready(position)
        if at is not None:
            self.counts.at_once += 1
        else:
            at = await self._wait(position, waits=waits)
            if at is None:
                return None
            self.counts.waited += 1
        self._roster.began(at)
        try:
            rows = await self._standbys[at].fetch(text, values)
        except StandbyFailed as failure:
            self.counts.failed += 1
            if not failure.is_blameless:
                self._failed(at, failure)
            return None
        finally:
            self._roster.ended(at)
        self._roster.answered(at)
        return rows

    def standings(self) -> list[Standing]:
        """How each of them stands."""
        return self._roster.standings()

    async def close(self, limit_s: float) -> None:
        """Ask nobody any more."""
        tasks = [each for each in (self._watch, *self._polls) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(each.close(limit_s) for each in self._standbys))

    async def _wait(self, position: int, *, waits: bool) -> int | None:
        """Who has come as far as that within the bound."""
        at = self._roster.nearest()
        if at is None or not waits or not self._bounds.wait_ms_max:
            self.counts.nobody += 1
            return None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(self._bounds.wait_ms_max / 1000.0, _resolve, future, False)
        self._waiters[at].append((position, future))
        if self._polls[at] is None:
            self._polls[at] = self._waits.start(self._poll(at))
        try:
            has_come = await future
        finally:
            timer.cancel()
        if has_come:
            return at
        self._roster.waited_in_vain(at)
        self.counts.in_vain += 1
        return None

    async def _poll(self, at: int) -> None:
        """Ask a standby how far it is for as long as anybody waits for it."""
        waiters = self._waiters[at]
        try:
            while waiters:
                self._roster.reached(at, await self._standbys[at].position())
                still = [each for each in waiters if not self._is_answered(at, *each)]
                waiters[:] = still
                if still:
                    await asyncio.sleep(_POLL_S)
        except StandbyFailed as failure:
            self._failed(at, failure)
        finally:
            self._polls[at] = None
            for _, future in waiters:
                _resolve(future, False)
            waiters.clear()

    def _is_answered(self, at: int, position: int, future: "asyncio.Future[bool]") -> bool:
        if self._roster.has_reached(at, position):
            _resolve(future, True)
        return future.done()

    async def _keep_looking(self) -> None:
        while True:
            self._wake.clear()
            await self._look()
            await asyncio.sleep(min(_PAUSE_S_MIN, self._bounds.probe_s))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._bounds.probe_s)

    async def _look(self) -> None:
        """Look at all that are due, and at the primary after them."""
        now_s = self._clock.monotonic_s()
        due = [at for at in range(len(self._standbys)) if self._roster.is_due(at, now_s)]
        found = await asyncio.gather(*(self._sighting(at) for at in due))
        primary = await self._look_at_primary()
        now_s = self._clock.monotonic_s()
        if primary is not None:
            self._roster.primary_seen(primary, now_s)
        for at, sighting in zip(due, found, strict=True):
            if sighting is not None and self._roster.seen(at, sighting, primary, now_s):
                self._say(at)

    async def _sighting(self, at: int) -> Sighting | None:
        try:
            return await self._standbys[at].look()
        except StandbyFailed as failure:
            self._failed(at, failure)
            return None

    def _failed(self, at: int, failure: StandbyFailed) -> None:
        if self._roster.failed(at, self._clock.monotonic_s(), is_lost=failure.is_lost):
            self._tell("warning", "replica_out", self._standbys[at].name, str(failure))

    def _say(self, at: int) -> None:
        standing = self._roster.standings()[at]
        if standing.why_out is None:
            self._tell("info", "replica_back", standing.name, f"{standing.lag_s:.1f} s late")
        else:
            self._tell("warning", "replica_out", standing.name, standing.why_out)


def _resolve(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)
