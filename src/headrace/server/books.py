"""Every request is counted and logged once, in batches: a tight loop does it in half the time."""

from headrace.clock import Clock
from headrace.observe.access_log import AccessLine, AccessLog
from headrace.observe.families import STAGE
from headrace.observe.metrics import Metrics

BATCH_MAX = 256

Stages = list[tuple[str, float]]


class Books:
    """Takes note of requests that are over. Belongs to one event loop.

    Args:
        metrics: where they are counted.
        log: where they are logged, or `None` for no log.
        clock: the time.
    """

    def __init__(self, metrics: Metrics, log: AccessLog | None, clock: Clock) -> None:
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._noted: list[tuple[AccessLine, Stages]] = []
        self._stages = {stage: metrics.stages.at(stage) for stage in STAGE.values}

    def note(self, line: AccessLine, stages: Stages) -> None:
        """Take a request that is over.

        Args:
            line: what is logged of it; its time is the monotonic end, and becomes wall time here.
            stages: seconds spent in each stage.
        """
        self._noted.append((line, stages))
        if len(self._noted) >= BATCH_MAX:
            self.balance()

    def balance(self) -> None:
        """Count and log what was noted."""
        noted, self._noted = self._noted, []
        metrics, log, stage_index = self._metrics, self._log, self._stages
        observe = metrics.stages.observe
        offset_s = self._clock.wall_s() - self._clock.monotonic_s()
        for line, stages in noted:
            cache = line.cache or "none"
            metrics.request_done(line.route, line.status, cache, line.duration_ms / 1000)
            if line.ttfb_ms is not None:
                metrics.first_byte(line.route, cache, line.ttfb_ms / 1000)
            for stage, seconds in stages:
                observe(stage_index[stage], seconds)
            if log is not None:
                line.time += offset_s  # type: ignore[operator]  # not yet spelled out
                log.record(line)
