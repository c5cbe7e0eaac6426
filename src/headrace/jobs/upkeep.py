"""What a worker does beside jobs: submits those of the schedules, and forgets old ones."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.requests import NewJob
from headrace.jobs.shift import Shift
from headrace.settings.cron import parse_cron
from headrace.settings.jobs import JobsSettings, ScheduleSettings
from headrace.store.voice import Say

# Deleted in one transaction, so that nobody waits long for it.
_FORGOTTEN_AT_ONCE: Final = 100
_DAY_S: Final = 86400.0


class Schedules:
    """Submits jobs at set times: each once, however many workers do so.

    What came due while no worker was there is not made up for.

    Args:
        settings: by name.
        desk: takes the jobs.
        clock: the time.
        say: told of jobs that are not taken.
    """

    def __init__(self, settings: JobsSettings, desk: JobDesk, clock: Clock, say: Say) -> None:
        self._desk = desk
        self._clock = clock
        self._say = say
        self._crons = {name: parse_cron(each.cron) for name, each in settings.schedules.items()}
        self._settings = settings.schedules
        now_s = clock.wall_s()
        self._next_s = {name: cron.next_s(now_s) for name, cron in self._crons.items()}

    async def step(self) -> None:
        """Submit what has come due since the last call."""
        now_s = self._clock.wall_s()
        for name, due_s in self._next_s.items():
            if due_s <= now_s:
                await self._submit(name, self._settings[name], due_s)
                self._next_s[name] = self._crons[name].next_s(now_s)

    async def _submit(self, name: str, schedule: ScheduleSettings, due_s: float) -> None:
        new = NewJob(
            kind=schedule.kind,
            input=msgspec.json.decode(schedule.input),
            queue=schedule.queue,
            priority=schedule.priority,
            idempotency_key=f"schedule:{name}:{due_s:.0f}",
        )
        try:
            await self._desk.submit(Tenant(schedule.tenant), new)
        except HeadraceError as error:
            self._say("error", "jobs_schedule_failed", about=name, detail=error.message)


class Oblivion:
    """Forgets jobs that ended long ago, and their files.

    Args:
        shift: the store.
        folder: holds a folder for each job.
        clock: the time.
        keep_days: how long they are kept.
        has_steps: whether jobs of a kind record steps.
        forget_steps: forgets what was recorded of their steps.
    """

    def __init__(
        self,
        shift: Shift,
        folder: Path,
        clock: Clock,
        *,
        keep_days: float,
        has_steps: Callable[[str], bool],
        forget_steps: Callable[[list[str]], Awaitable[None]],
    ) -> None:
        self._shift = shift
        self._folder = folder
        self._clock = clock
        self._keep_s = keep_days * _DAY_S
        self._has_steps = has_steps
        self._forget_steps = forget_steps

    async def step(self) -> int:
        """Forget some; how many there were."""
        before_s = self._clock.wall_s() - self._keep_s
        kinds = await self._shift.old(before_s, _FORGOTTEN_AT_ONCE)
        jobs = list(kinds)
        if jobs:
            await asyncio.to_thread(_remove, [self._folder / job for job in jobs])
            await self._forget_steps([job for job in jobs if self._has_steps(kinds[job])])
            await self._shift.forget(jobs)
        return len(jobs)


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
