"""What the store tells of jobs, for metrics."""

from collections import Counter
from typing import Final

from headrace.clock import Clock
from headrace.observe.job_metrics import JobMetrics
from headrace.store.records.records import Records

EVERY_S: Final = 5.0
_COUNTED_MAX: Final = 10_000
# Endings are written a little after the time that they bear.
_SETTLED_S: Final = 5.0


class JobGauges:
    """Reads how many jobs wait, run and have ended.

    Args:
        records: where jobs are kept.
        metrics: what is told.
        clock: the time.
    """

    def __init__(self, records: Records, metrics: JobMetrics, clock: Clock) -> None:
        self._records = records
        self._metrics = metrics
        self._clock = clock
        # Endings up to `_until_s` are counted. After a clock was put back, `_since_s` is before
        # that, and so many of the endings in between are counted already.
        self._since_s = self._until_s = clock.wall_s()
        self._counted = Counter[str]()

    async def step(self) -> None:
        """Read them once.

        Raises:
            StoreFault: they cannot be read.
        """
        now_s = self._clock.wall_s()
        depth = await self._records.fetch("jobs.depth", {"limit": _COUNTED_MAX})
        (running,) = await self._records.fetch("jobs.running", {"limit": _COUNTED_MAX})
        oldest_s = min((row["oldest_s"] for row in depth), default=now_s)
        waiting = sum(row["waiting"] for row in depth)
        self._metrics.found(waiting, running["jobs"], max(0.0, now_s - oldest_s))
        if now_s < self._since_s:
            self._counted += await self._ended(now_s, self._since_s)
            self._since_s = now_s
        until_s = max(self._until_s, now_s - _SETTLED_S)
        if until_s > self._since_s:
            await self._count(until_s, is_caught_up=now_s - _SETTLED_S >= self._until_s)

    async def _count(self, until_s: float, *, is_caught_up: bool) -> None:
        ended = await self._ended(self._since_s, until_s)
        self._metrics.ended(ended - self._counted)
        self._counted = ended
        if is_caught_up:
            self._since_s = self._until_s = until_s
            self._counted = Counter()

    async def _ended(self, since_s: float, until_s: float) -> Counter[str]:
        span = {"since_s": since_s, "until_s": until_s}
        rows = await self._records.fetch("jobs.ended", span)
        return Counter({row["state"]: row["jobs"] for row in rows})
