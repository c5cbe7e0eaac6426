"""What happens to a job, as server-sent events (WHATWG HTML, 9.2) that can be taken up again.

Each event's id is the job's version: whoever comes again with the last one it saw is told of what
came after. `progress` and `retry` say what was noted, `job` tells the job as it is; the stream ends
with the job.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.errors import InvalidRequest, Overloaded
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.job import Job

WATCHERS_MAX: Final = 256
_LOOK_S: Final = 0.2
# Often enough for whatever stands between to keep the connection open.
_REST_S: Final = 15.0
_DIGITS_MAX: Final = 18


class Watchers:
    """Tells callers of jobs as they go on.

    Args:
        desk: where jobs are looked up.
        clock: the time.
    """

    def __init__(self, desk: JobDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._count = 0

    def check(self) -> None:
        """See that one more may watch.

        Raises:
            Overloaded: too many do.
        """
        if self._count >= WATCHERS_MAX:
            raise Overloaded(
                f"{WATCHERS_MAX} streams of events are open in this worker already.",
                code="too_many_watchers",
                retry_after_s=5,
            )

    async def stream(self, tenant: Tenant, job: Job, after: int) -> AsyncIterator[bytes]:
        """Events beyond `after`, until the job ends."""
        self._count += 1
        seen, quiet_s = after, self._clock.monotonic_s()
        try:
            while True:
                for text, number in await self._news(job, seen):
                    seen, quiet_s = number, self._clock.monotonic_s()
                    yield text
                if job.has_ended:
                    return
                if self._clock.monotonic_s() - quiet_s > _REST_S:
                    quiet_s = self._clock.monotonic_s()
                    yield b": nothing new\n\n"
                await asyncio.sleep(_LOOK_S)
                # A job may be large, and is mostly as it was.
                if await self._desk.version(job) != job.version:
                    job = await self._desk.find(tenant, job.id)
        finally:
            self._count -= 1

    async def _news(self, job: Job, seen: int) -> list[tuple[bytes, int]]:
        if job.version <= seen:
            return [(_event(job.version, "job", job.told()), job.version)] if job.has_ended else []
        noted = [row for row in await self._desk.events(job, seen) if row["number"] <= job.version]
        news = [
            (_event(row["number"], row["event"], msgspec.Raw(row["data"].encode())), row["number"])
            for row in noted
        ]
        if not noted or noted[-1]["number"] < job.version or job.has_ended:
            news.append((_event(job.version, "job", job.told()), job.version))
        return news


def read_last_event(text: str | None) -> int:
    """The number in `last-event-id`, 0 where there is none.

    Raises:
        InvalidRequest: it is no number of ours.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise InvalidRequest("`last-event-id` is the number of an event of this job.")
    return int(text)


def _event(number: int, name: str, data: Any) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, name.encode(), msgspec.json.encode(data))
