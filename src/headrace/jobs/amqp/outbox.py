"""Which jobs came as messages, and what their senders have been told so far: kept in the store.

What was told is noted after the broker has confirmed it, so a crash between the two tells it again,
under the same message-id.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.jobs.amqp.messages import Told, news_of
from headrace.jobs.job import Job
from headrace.store.records.records import Records, Step

AT_ONCE: Final = 100
# Machines whose clocks differ by more are late in telling, by the time of a whole look.
_SKEW_S: Final = 5.0
_WHOLE_LOOK_S: Final = 30.0
_OWN: Final = ("correlation_id", "seen")


class News(msgspec.Struct, frozen=True):
    """What has to be told of a job.

    Attributes:
        job: its id.
        correlation_id: what its sender knows it by.
        told: in order.
        ended_s: when it ended, after which there is no more to tell; `None`: it goes on.
    """

    job: str
    correlation_id: str
    told: list[Told]
    ended_s: float | None


class Outbox:
    """What is to be told. Every method may raise `StoreFault`.

    Args:
        records: where it is kept.
        clock: the time.
        events: whether progress is told too, and not the end alone.
    """

    def __init__(self, records: Records, clock: Clock, *, events: bool) -> None:
        self._records = records
        self._clock = clock
        self._events = events
        self._ended_s = 0.0
        self._whole_s = float("-inf")

    async def expect(self, job: str, correlation_id: str) -> None:
        """Have the sender of a job told of it; twice is once."""
        values = {"job": job, "correlation_id": correlation_id}
        await self._records.write(Step("amqp.expect", values))

    async def look(self) -> list[News]:
        """What has to be told now; empty where there is nothing."""
        now_s = self._clock.monotonic_s()
        if now_s - self._whole_s > _WHOLE_LOOK_S:
            self._whole_s, self._ended_s = now_s, 0.0
            await self._records.write(Step("amqp.sweep"))
        since = {"since_s": max(0.0, self._ended_s - _SKEW_S), "limit": AT_ONCE}
        rows = await self._records.fetch("amqp.ended", since)
        if self._events:
            rows += await self._records.fetch("amqp.running", {"limit": AT_ONCE})
        found = [await self._news(row) for row in rows]
        return [each for each in found if each.told]

    async def has_told(self, news: list[News]) -> None:
        """Note what was told."""
        over = [{"job": each.job} for each in news if each.ended_s is not None]
        seen = [
            {"job": each.job, "seen": each.told[-1].number}
            for each in news
            if each.told and each.ended_s is None
        ]
        groups = (("amqp.done", over), ("amqp.told", seen))
        steps = [Step(query, rows) for query, rows in groups if rows]
        if steps:
            await self._records.write(*steps)
        self._ended_s = max((self._ended_s, *(each.ended_s or 0.0 for each in news)))

    async def _news(self, row: Mapping[str, Any]) -> News:
        job = msgspec.convert({k: v for k, v in row.items() if k not in _OWN}, Job)
        noted: list[dict[str, Any]] = []
        if self._events:
            wanted = {"job": job.id, "after": row["seen"]}
            noted = await self._records.fetch("jobs.events", wanted)
        # What was noted since the row was read belongs to the next look.
        noted = [each for each in noted if each["number"] <= job.version]
        return News(job.id, row["correlation_id"], news_of(job, noted), job.ended_s)
