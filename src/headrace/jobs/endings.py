"""How tries ended, kept in one transaction for all that end while the last one is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from headrace.clock import Clock
from headrace.gateway.tasks import Spawn
from headrace.jobs.job import Job
from headrace.jobs.outcome import Failed, Outcome
from headrace.jobs.shift import Ended
from headrace.store.faults import StoreFault, StoreRefused
from headrace.store.voice import Say

_REST_S: Final = 0.5
_TOGETHER_MAX: Final = 200
_REFUSED: Final = "ending_refused"


class Endings:
    """Keeps endings, and goes on trying while the store is away.

    Args:
        keep: keeps some of them.
        clock: the time.
        say: told where it fails.
        spawn: starts a task.
        on_kept: told of each job whose ending is kept.
    """

    def __init__(
        self,
        keep: Callable[[Sequence[Ended]], Awaitable[None]],
        clock: Clock,
        say: Say,
        *,
        spawn: Spawn,
        on_kept: Callable[[Job], None],
    ) -> None:
        self._keep = keep
        self._clock = clock
        self._say = say
        self._spawn = spawn
        self._on_kept = on_kept
        self._waiting: list[Ended] = []
        self._ids: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def __contains__(self, job_id: str) -> bool:
        """Whether the ending of a job has yet to be kept."""
        return job_id in self._ids

    def add(self, job: Job, outcome: Outcome) -> None:
        """Keep how a try ended."""
        self._waiting.append(Ended(job, outcome))
        self._ids.add(job.id)
        if self._task is None:
            self._task = self._spawn(self._work())

    def close(self) -> None:
        """Try no more."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[:_TOGETHER_MAX], self._waiting[_TOGETHER_MAX:]
            await self._keep_surely(some)
            for each in some:
                self._ids.discard(each.job.id)
                self._on_kept(each.job)
        self._task = None

    async def _keep_surely(self, some: Sequence[Ended]) -> None:
        while True:
            try:
                return await self._keep(some)
            except StoreRefused as error:
                # Asked again it would be refused again, and all that end later would wait.
                return await self._keep_each(some, error)
            except StoreFault as error:
                self._say("warning", "jobs_store_failed", detail=error.message)
                await asyncio.sleep(_REST_S)

    async def _keep_each(self, some: Sequence[Ended], why: StoreRefused) -> None:
        self._say("error", "jobs_ending_refused", detail=why.message)
        if len(some) > 1:
            for each in some:
                await self._keep_surely([each])
        elif isinstance(some[0].outcome, Failed) and some[0].outcome.code == _REFUSED:
            return  # nothing can be kept of it; the job is given back as one that nobody does
        else:
            failed = Failed(_REFUSED, "The store does not take how it ended.")
            await self._keep_surely([Ended(some[0].job, failed)])
