"""What the store tells of jobs, for metrics."""

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
        self._since_s = clock.wall_s()

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
        self._since_s = min(self._since_s, now_s)  # the clock may have been put back
        if now_s - _SETTLED_S > self._since_s:
            span = {"since_s": self._since_s, "until_s": now_s - _SETTLED_S}
            rows = await self._records.fetch("jobs.ended", span)
            self._since_s = now_s - _SETTLED_S
            self._metrics.ended({row["state"]: row["jobs"] for row in rows})
