"""What a worker does beside jobs: submits those of the schedules, and forgets old ones."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from headrace.clock import Clock
from headrace.errors import Conflict, HeadraceError, Overloaded
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.requests import NewJob
from headrace.jobs.shift import Shift
from headrace.settings.cron import Cron, parse_cron
from headrace.settings.jobs import JobsSettings
from headrace.store.faults import StoreFault
from headrace.store.voice import Say

# Deleted in one transaction, so that nobody waits long for it.
_FORGOTTEN_AT_ONCE: Final = 100
LATE_S: Final = 3600.0
"""A time of a schedule that was not seen to for so long is missed."""
BEFORE_S: Final = 60.0
"""A time that came so shortly before a worker began may have come between two workers."""
_DAY_S: Final = 86400.0


class Schedules:
    """Submits jobs at set times: for each time once, however many workers do so.

    Each job bears the time that it is for as its key, so whoever comes second, after a restart or
    a clock that was put back too, finds it there. What came due and was not submitted is made up
    for where that is not long ago (`LATE_S`; before this worker began, `BEFORE_S`): of several
    times the last one. The rest is missed, and told.

    Args:
        settings: by name.
        desk: takes the jobs.
        clock: the time.
        say: told of jobs that are late, or are not taken.
    """

    def __init__(self, settings: JobsSettings, desk: JobDesk, clock: Clock, say: Say) -> None:
        self._desk = desk
        self._clock = clock
        self._say = say
        self._crons = {name: parse_cron(each.cron) for name, each in settings.schedules.items()}
        self._settings = settings.schedules
        self._looked_s = now_s = clock.wall_s()
        # What was submitted is known as long as it is kept.
        self._before_s = before_s = min(BEFORE_S, settings.keep_days * _DAY_S / 2)
        self._next_s = {name: cron.next_s(now_s - before_s) for name, cron in self._crons.items()}
        self._waiting: set[str] = set()

    async def step(self) -> None:
        """Submit what has come due since the last call."""
        now_s = self._clock.wall_s()
        if now_s < self._looked_s:  # times that seemed to be over come once more
            for name, cron in self._crons.items():
                self._next_s[name] = min(self._next_s[name], cron.next_s(now_s - self._before_s))
        self._looked_s = now_s
        for name, next_s in self._next_s.items():
            if next_s <= now_s:
                await self._see_to(name, next_s, now_s)

    async def _see_to(self, name: str, next_s: float, now_s: float) -> None:
        """Submit the last that has come due; where that cannot be for now, it stays due."""
        cron = self._crons[name]
        due_s = last_due_s(cron, next_s, now_s)
        if due_s != next_s:
            made_up = "none" if due_s is None else f"only the one of {_told(due_s)}"
            detail = f"nobody saw to times from {_told(next_s)} on; {made_up} is made up for"
            self._say("warning", "jobs_schedule_missed", about=name, detail=detail)
        if due_s is None or await self._has_submitted(name, due_s):
            self._next_s[name] = cron.next_s(now_s)
            self._waiting.discard(name)
        else:
            self._next_s[name] = due_s

    async def _has_submitted(self, name: str, due_s: float) -> bool:
        schedule = self._settings[name]
        new = NewJob(
            kind=schedule.kind,
            input=msgspec.json.decode(schedule.input),
            queue=schedule.queue,
            priority=schedule.priority,
            idempotency_key=f"schedule:{name}:{due_s:.0f}",
        )
        try:
            await self._desk.submit(Tenant(schedule.tenant), new)
        except (StoreFault, Overloaded) as error:
            if name not in self._waiting:
                self._waiting.add(name)
                self._say("warning", "jobs_schedule_waits", about=name, detail=error.message)
            return False
        except Conflict:  # the job of that time was submitted before the schedule was changed
            return True
        except HeadraceError as error:
            self._say("error", "jobs_schedule_failed", about=name, detail=error.message)
        return True


def last_due_s(cron: Cron, next_s: float, now_s: float) -> float | None:
    """The last time that has come, from one that has; `None` where that is too long ago."""
    if now_s - next_s > LATE_S:
        next_s = cron.next_s(now_s - LATE_S)
    if next_s > now_s:
        return None
    while (following_s := cron.next_s(next_s)) <= now_s:
        next_s = following_s
    return next_s


def _told(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M")


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
