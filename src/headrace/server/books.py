"""Every request is counted and logged once, in batches: a tight loop does it in half the time."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import UNSET

from headrace.clock import Clock
from headrace.gateway.call import Stopwatch
from headrace.observe.access_log import AccessLine, AccessLog
from headrace.observe.families import STAGE
from headrace.observe.logs import Logs
from headrace.observe.metrics import Metrics
from headrace.observe.telemetry.gen_ai import GenAiMetrics
from headrace.observe.verdicts import Verdict, verdict_of, verdict_of_status
from headrace.server.replies import timing_line
from headrace.server.stage_watch import Noted, StageWatch, make_stage_watch
from headrace.settings import Settings

# The lowest status of a request that is worth a line at each level.
_STATUS_MIN: Final[Mapping[str, int]] = {"debug": 0, "info": 0, "warning": 400, "error": 500}

# One batch is one pause of the loop: at 256 it was the p99 of hits.
BATCH_MAX = 32
_OK = 200


class Books:
    """Takes note of requests that are over. Belongs to one event loop.

    Args:
        metrics: where they are counted.
        log: where they are logged, or `None` for no log.
        clock: the time.
        status_min: requests that ended with a lower status are counted, but not logged.

    Attributes:
        watch: looks for stages that took too long, where that is wanted; may be replaced.
        gen_ai: counts by OpenTelemetry's conventions, where that is wanted.
    """

    def __init__(
        self, metrics: Metrics, log: AccessLog | None, clock: Clock, *, status_min: int = 0
    ) -> None:
        self.watch: StageWatch | None = None
        self.gen_ai: GenAiMetrics | None = None
        self._used: set[tuple[str | None, str | None]] = set()
        self._metrics = metrics
        self._log = log
        self._status_min = status_min
        self._clock = clock
        self._noted: list[Noted] = []
        self._stages = {stage: metrics.stages.at(stage) for stage in STAGE.values}

    def note(self, line: AccessLine, stages: Sequence[str], times_ms: Sequence[float]) -> None:
        """Take a request that is over.

        Args:
            line: what is logged of it; its time is the monotonic end, and becomes wall time here.
            stages: the stages it passed.
            times_ms: milliseconds spent in each.
        """
        self._noted.append((line, stages, times_ms))
        if len(self._noted) >= BATCH_MAX:
            self.balance()

    def timing_line(self, watch: Stopwatch) -> bytes:
        """What a caller is told of stages so far; of those that took too long, how long they may.

        Args:
            watch: has timed at least one.
        """
        looks = self.watch
        names = watch.names if looks is None else looks.budgets.marked(watch.names, watch.times_ms)
        return timing_line(names, watch.times_ms)

    def take_used(self) -> set[tuple[str | None, str | None]]:
        """Tenant and name of each key that has called since this was asked last."""
        self.balance()
        used, self._used = self._used, set()
        return used

    def balance(self) -> None:
        """Count and log what was noted."""
        noted, self._noted = self._noted, []
        self._count(noted)
        log = self._log
        if self.gen_ai is not None:
            for line, _, _ in noted:
                _count_served(self.gen_ai, line)
        if self.watch is not None:
            self.watch.look_at(noted)
        if log is not None:
            status_min = self._status_min
            for line, _, _ in noted:
                if line.status >= status_min:
                    log.record(line)

    def _count(self, noted: Sequence[Noted]) -> None:
        metrics, stage_index = self._metrics, self._stages
        request_done, first_byte = metrics.request_done, metrics.first_byte
        stream_began = metrics.stream_began
        count_stages = metrics.stages.observe_ms
        used = self._used
        offset_s = self._clock.wall_s() - self._clock.monotonic_s()
        for line, stages, times_ms in noted:
            route, cache = line.route, line.cache or "none"
            verdict = None
            if line.error is not None or line.fallback is not UNSET:
                verdict = verdict_of(line.status, line.error, line.fallback or None)
            request_done(route, line.status, cache, line.duration_ms * 0.001, verdict)
            if line.ttfb_ms is not None:
                first_byte(route, cache, line.ttfb_ms * 0.001)
            if line.stream:
                stream_began(route, *_beginning(line, verdict))
            count_stages(map(stage_index.__getitem__, stages), times_ms)
            who = line.tenant, line.key_name
            if who not in used:
                used.add(who)
            line.time += offset_s  # type: ignore[operator]  # not yet spelled out


def open_books(settings: Settings, metrics: Metrics, logs: Logs, clock: Clock) -> Books:
    """The books of a worker.

    Args:
        settings: what is logged, and what stages are watched for.
        metrics: where requests are counted.
        logs: where they are logged.
        clock: the time.
    """
    books = Books(metrics, logs.access, clock, status_min=_STATUS_MIN[settings.log.level])
    books.watch = make_stage_watch(settings.stages, metrics, logs.events)
    return books


def _count_served(gen_ai: GenAiMetrics, line: AccessLine) -> None:
    first_s = line.ttfb_ms * 0.001 if _has_begun(line) and line.ttfb_ms is not None else None
    took_s, tokens = line.duration_ms * 0.001, line.output_tokens
    gen_ai.served(line.route, line.status, line.error or "", took_s, first_s, tokens)


def _beginning(line: AccessLine, verdict: Verdict | None) -> tuple[float, Verdict]:
    """Seconds until a stream began, and how that counts; of one that never did, its whole time.

    What breaks off later began all the same: that counts for the whole answer.
    """
    if line.ttfb_ms is None or not _has_begun(line):
        return line.duration_ms * 0.001, verdict or verdict_of_status(line.status)
    is_made_here = line.error is None and verdict in ("bad", "neither")
    return line.ttfb_ms * 0.001, verdict if is_made_here and verdict is not None else "good"


def _has_begun(line: AccessLine) -> bool:
    """Whether a stream that was asked for was given, and no error in its place."""
    return line.stream and line.status == _OK
