"""A worker: takes jobs from queues, does them, and looks after those of workers that died."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from headrace.clock import Clock
from headrace.gateway.tasks import Spawn
from headrace.jobs.endings import Endings
from headrace.jobs.job import Job
from headrace.jobs.liveness import LifeLock, Watch
from headrace.jobs.running import Bench, Try
from headrace.jobs.shift import Shift
from headrace.settings.jobs import JobsSettings, QueueSettings
from headrace.store.faults import StoreFault
from headrace.store.voice import Say

# Several beats have to fail before a lease ends.
_BEATS_A_LEASE: Final = 5
_ATTEND_S: Final = 0.25
_REST_S: Final = 1.0
# How long tries that were told to end may take for it.
_END_S: Final = 30.0
LIVES: Final = "workers"

Work = Callable[[], Coroutine[Any, Any, None]]


class Worker:
    """Does jobs until it is told to stop. Belongs to one loop.

    Args:
        queues: those it serves, with their limits.
        bench: what tries need.
        shift: the store, as this worker uses it.
        folder: where locks are kept, and a folder for each job.
        clock: the time.
        spawn: starts a task.
        say: told what happens.
    """

    def __init__(
        self,
        queues: Mapping[str, QueueSettings],
        *,
        settings: JobsSettings,
        bench: Callable[[Shift], Bench],
        shift: Shift,
        folder: Path,
        clock: Clock,
        spawn: Spawn,
        say: Say,
    ) -> None:
        self._queues = dict(queues)
        self._settings = settings
        self._shift = shift
        self._bench = bench(shift)
        self._clock = clock
        self._spawn = spawn
        self._say = say
        self._lock = LifeLock(folder / LIVES, shift.worker)
        self._watch = Watch(folder / LIVES, settings.lease_s, shift.worker)
        self._endings = Endings(shift.end, clock, say, spawn=spawn, on_kept=self._has_kept)
        self._tries: dict[str, Try] = {}
        self._strays: set[tuple[str, int]] = set()
        self._in_queue: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self.busy_s = clock.monotonic_s()
        self.is_lost = False
        self._is_hurried = False

    @property
    def running(self) -> int:
        """Jobs under way, and those whose end has yet to be kept."""
        return len(self._tries)

    async def run(self) -> None:
        """Work until `stop`; jobs that do not end in time are given back."""
        while not self._stopping.is_set() and not await self._has_done(self._sign_on):
            pass
        keepers = [
            self._spawn(self._keep_at(_ATTEND_S, self._attend)),
            self._spawn(self._keep_at(self._settings.lease_s / _BEATS_A_LEASE, self._live)),
        ]
        try:
            while not self._stopping.is_set():
                await self._has_done(self._take)
                await self._pause(self._settings.poll_ms / 1000)
            await self._finish()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await self._leave()

    def stop(self) -> None:
        """Take no more jobs, and end when those under way have ended or time is up."""
        self._stopping.set()
        self._wake.set()

    def hurry(self) -> None:
        """Wait for no job under way: all of them are given back."""
        self._is_hurried = True
        self._wake.set()

    def wake(self) -> None:
        """Look for jobs at once."""
        self._wake.set()

    async def _keep_at(self, pause_s: float, work: Work) -> None:
        while True:
            await self._has_done(work)
            await asyncio.sleep(pause_s)

    async def _has_done(self, work: Work) -> bool:
        """Do something once; what goes wrong, a bug as well, is told and ends this once alone."""

        async def attempt() -> None:
            try:
                await work()
                done.append(True)
            except StoreFault as error:
                self._say("warning", "jobs_store_failed", detail=error.message)

        done: list[bool] = []
        task = self._spawn(attempt())
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if not done:
            await asyncio.sleep(_REST_S)
        return bool(done)

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _sign_on(self) -> None:
        await self._shift.begin(socket.gethostname(), [*self._queues])

    async def _take(self) -> None:
        await self._shift.ripen()
        for queue, limits in self._queues.items():
            room = limits.concurrency - self._in_queue[queue]
            if room > 0 and await self._shift.has_waiting(queue):
                jobs = await self._shift.claim(queue, limits, room)
                for job in jobs:
                    self._begin(job)

    def _begin(self, job: Job) -> None:
        if job.id in self._tries:
            return  # a claim that was done twice
        self._tries[job.id] = Try(job, self._bench)
        self._in_queue[job.queue] += 1
        self._spawn(self._do(self._tries[job.id]))

    async def _do(self, one: Try) -> None:
        outcome = await one.outcome()
        if outcome is None:
            self._has_kept(one.job)
        else:
            self._endings.add(one.job, outcome)

    def _has_kept(self, job: Job) -> None:
        del self._tries[job.id]
        self._in_queue[job.queue] -= 1
        self.busy_s = self._clock.monotonic_s()
        self._wake.set()

    async def _attend(self) -> None:
        """End tries that nobody wants any more, or that are in other hands."""
        before = {job: one.job.fence for job, one in self._tries.items()}
        held = {each.id: each for each in await self._shift.held()} if before else {}
        for job, fence in before.items():
            one = self._tries.get(job)
            if one is None or job in self._endings:
                continue
            believed = held.get(job)
            if believed is None or believed.fence != fence:
                one.stop("lost")
            elif believed.cancel_s is not None:
                one.stop("cancelled")

    async def _live(self) -> None:
        if not await self._shift.beat():
            self._say("error", "jobs_worker_given_up", worker=self._shift.worker)
            self.is_lost = True
            for one in self._tries.values():
                one.stop("lost")
            self.stop()
            return
        await self._give_back_strays()
        dead = self._watch.dead(await self._shift.fellows(), self._clock.monotonic_s())
        if dead:
            self._say("warning", "jobs_workers_lost", workers=" ".join(each.id for each in dead))
            await self._shift.bury(dead)
            self._watch.clear(dead)
            self._wake.set()

    async def _give_back_strays(self) -> None:
        """Jobs that the store gave to this worker by a claim whose answer never came."""
        held = [each for each in await self._shift.held() if each.id not in self._tries]
        strays = {(each.id, each.fence) for each in held}
        for each in held:
            if (each.id, each.fence) in self._strays:
                await self._shift.give_back(each)
        self._strays = strays

    async def _finish(self) -> None:
        """Wait for tries under way, and give back those that take too long."""
        end_s = self._clock.monotonic_s() + self._settings.grace_s
        while self._tries and not self._is_hurried and self._clock.monotonic_s() < end_s:
            await self._pause(end_s - self._clock.monotonic_s())
        for one in self._tries.values():
            one.stop("stopping")
        end_s = self._clock.monotonic_s() + _END_S
        while self._tries and self._clock.monotonic_s() < end_s:
            await self._pause(end_s - self._clock.monotonic_s())

    async def _leave(self) -> None:
        self._endings.close()
        try:
            if not self.is_lost:
                await self._shift.leave()
        except StoreFault as error:
            self._say("warning", "jobs_store_failed", detail=error.message)
        self._lock.release()


def worker_name(chance: Callable[[int], bytes] = os.urandom) -> str:
    """A name for a new worker: its machine, its process, and something by chance."""
    host = "".join(each if each.isalnum() else "-" for each in socket.gethostname())[:40]
    return f"{host}-{os.getpid()}-{chance(4).hex()}"
