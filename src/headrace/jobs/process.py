"""A process that works: records, workers one after the other, upkeep, and an end in order."""

import asyncio
import secrets
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.gateway.tasks import Tasks
from headrace.gateway.tracing import Tracing, open_tracing
from headrace.ids import Ids
from headrace.jobs.amqp.link import check_package
from headrace.jobs.amqp.outbox import Outbox
from headrace.jobs.amqp.port import AmqpPort
from headrace.jobs.desk import JobDesk
from headrace.jobs.durable import DurableSteps
from headrace.jobs.gateway_models import GatewayModels
from headrace.jobs.kinds import Kinds
from headrace.jobs.last_resort import LastResort
from headrace.jobs.posting import JOBS_FOLDER, Posting, check_schedules
from headrace.jobs.running import Bench
from headrace.jobs.shift import Shift
from headrace.jobs.upkeep import Oblivion, Schedules
from headrace.jobs.worker import Worker, worker_name
from headrace.observe.endpoint import MetricsEndpoint
from headrace.observe.worker_metrics import WorkerMetrics
from headrace.settings.jobs import JobsSettings, QueueSettings
from headrace.settings.telemetry import TelemetrySettings
from headrace.store.faults import StoreFault
from headrace.store.records.leases import RecordLeases
from headrace.store.records.open import open_records
from headrace.store.records.records import Records
from headrace.store.sqlite_module import sqlite_module
from headrace.store.voice import Say

_TICK_S: Final = 0.25
_SCHEDULES_S: Final = 1.0
_OBLIVION_S: Final = 10.0
_CLOSE_S: Final = 5.0
# For what has to be done yet when a collector has had its time.
_LEAVING_S: Final = _CLOSE_S + 3.0
_NO_PLACE_S: Final = 1.0


def served_queues(
    settings: JobsSettings, kinds: Kinds, wanted: Sequence[str]
) -> Mapping[str, QueueSettings]:
    """The queues that a worker serves, with their limits.

    Raises:
        SettingsInvalid: one that is wanted is not known.
    """
    known = {name: settings.queues.get(name, QueueSettings()) for name in kinds.queues}
    known |= settings.queues
    for name in wanted:
        if name not in known:
            raise SettingsInvalid(
                f"--queues: no queue '{name}'; there are {', '.join(sorted(known))}"
            )
    return {name: known[name] for name in (wanted or sorted(known))}


class _Idle(msgspec.Struct, frozen=True):
    limit_s: float
    release: Callable[[], None]
    take: Callable[[], bool]


class WorkerProcess:
    """Works until it is told to stop.

    Args:
        settings: what to go by.
        kinds: what it can do.
        posting: where it works.
        clock: the time.
        say: told what happens.
        last_resort: ends the process where its end takes too long.
        telemetry: where spans are sent, where that is wanted.

    Raises:
        SettingsInvalid: it cannot work like this.
    """

    def __init__(
        self,
        settings: JobsSettings,
        kinds: Kinds,
        posting: Posting,
        *,
        clock: Clock,
        say: Say,
        last_resort: LastResort,
        telemetry: TelemetrySettings | None = None,
    ) -> None:
        check_schedules(settings, kinds)
        if settings.amqp is not None:
            check_package()
        if posting.store_url == "sqlite":
            sqlite_module()  # what cannot work is told now, and not by the first job
        self._queues = served_queues(settings, kinds, posting.queues)
        self._settings = settings
        self._kinds = kinds
        self._posting = posting
        self._data_dir = Path(posting.data_dir)
        self._folder = self._data_dir / JOBS_FOLDER
        self._clock = clock
        self._say = say
        self._tasks = Tasks(self._tell_bug)
        self._models = GatewayModels(
            posting.gateway,
            posting.key,
            is_deputy=posting.is_deputy,
            spawn=self._tasks.spawn,
            say=say,
            certificate=posting.certificate,
        )
        self._tracing = None if telemetry is None else open_tracing(telemetry, clock, say)
        self._stopping = asyncio.Event()
        self._last_resort = last_resort
        self._ends_at_s = inf
        self._worker: Worker | None = None
        self._idle: _Idle | None = None
        self._steps: DurableSteps | None = None
        self._port: AmqpPort | None = None

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT, or until there was nothing to do for long."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        records = open_records(
            self._posting.store_url, self._data_dir, clock=self._clock, say=self._say
        )
        async with AsyncExitStack() as stack:
            stack.push_async_callback(records.close, _CLOSE_S)
            if self._tracing is not None:
                self._tracing.start()
                stack.push_async_callback(self._send_rest, self._tracing)
            stack.callback(self._close)
            stack.push_async_callback(self._tasks.close)
            await self._open_metrics(stack)
            self._tasks.keep(self._tick)
            self._tasks.keep(partial(self._keep, records))
            self._open_port(stack, records)
            while not self._stopping.is_set():
                try:
                    await self._work(records)
                except OSError as error:  # its lock cannot be kept there now
                    self._say("error", "jobs_no_place", about=str(self._folder), detail=str(error))
                    await asyncio.sleep(_NO_PLACE_S)

    def stop(self) -> None:
        """Take no more jobs, and end soon."""
        if not self._stopping.is_set():
            self._ends_at_s = self._clock.monotonic_s() + self._last_resort.limit_s
            self._last_resort.begin()
        if self._worker is not None and self._worker.running and not self._stopping.is_set():
            detail = (
                f"{self._worker.running} jobs have {self._settings.grace_s:g} s to end; "
                "Ctrl-C once more gives them back at once"
            )
            self._say("info", "jobs_worker_stopping", detail=detail)
        self._stopping.set()
        if self._port is not None:
            self._port.stop()
        if self._worker is not None:
            self._worker.stop()

    async def _send_rest(self, tracing: Tracing) -> None:
        """Send the collector what is left, while there is time for an end in order."""
        left_s = self._ends_at_s - self._clock.monotonic_s()
        await tracing.close(max(0.0, left_s - _LEAVING_S))

    def _interrupted(self) -> None:
        """Ctrl-C: as `stop`; who presses it once more does not want to wait for jobs."""
        if self._stopping.is_set() and self._worker is not None:
            self._worker.hurry()
        self.stop()

    def end_when_idle(
        self, limit_s: float, release: Callable[[], None], take: Callable[[], bool]
    ) -> None:
        """End after a time without anything to do.

        Args:
            limit_s: how long.
            release: no longer claim to be at work.
            take: claim it again; false where another does.
        """
        self._idle = _Idle(limit_s, release, take)

    async def _work(self, records: Records) -> None:
        """Be one worker, until told to stop or given up by the others."""
        shift = Shift(records, self._clock, worker_name())
        self._worker = Worker(
            self._queues,
            settings=self._settings,
            bench=self._bench,
            shift=shift,
            folder=self._folder,
            clock=self._clock,
            spawn=self._tasks.spawn,
            say=self._say,
        )
        self._say("info", "jobs_worker_started", worker=shift.worker, queues=",".join(self._queues))
        await self._worker.run()
        self._say("info", "jobs_worker_stopped", worker=shift.worker)

    async def _open_metrics(self, stack: AsyncExitStack) -> None:
        """Tell Prometheus of this process, where that is wanted."""
        if self._posting.metrics_at is None:
            return
        metrics = WorkerMetrics(self._clock)
        endpoint = MetricsEndpoint(
            lambda: metrics.expose(None if self._port is None else self._port.reading())
        )
        url = await endpoint.listen(*self._posting.metrics_at)
        stack.callback(endpoint.close)
        self._say("info", "jobs_metrics", url=url)

    def _open_port(self, stack: AsyncExitStack, records: Records) -> None:
        """Take messages, where settings name a broker, and tell of jobs until the worker ended."""
        amqp = self._settings.amqp
        if amqp is None:
            return
        ids = Ids(self._clock.wall_s)
        self._port = AmqpPort(
            amqp,
            JobDesk(records, self._kinds, self._settings, self._clock, ids, self._wake),
            Outbox(records, self._clock, events=amqp.events),
            RecordLeases(records, self._clock, worker_name()),
            self._say,
            chance=secrets.SystemRandom().random,
        )
        self._port.start()
        stack.push_async_callback(self._port.close)

    def _bench(self, shift: Shift) -> Bench:
        return Bench(
            kinds=self._kinds,
            settings=self._settings,
            clock=self._clock,
            chance=secrets.SystemRandom().random,
            models=self._models.of,
            steps=self._durable,
            hands=shift,
            folder=self._folder,
            tracer=self._tracing.tracer if self._tracing is not None else None,
        )

    def _durable(self) -> DurableSteps:
        if self._steps is None:
            # A name of this process alone: DBOS takes over what one of its own name has left.
            self._steps = DurableSteps(self._engine, worker_name())
        return self._steps

    def _engine(self) -> object:
        from headrace.store.workflow_engine import make_workflow_engine

        return make_workflow_engine(self._posting.store_url, self._data_dir)

    async def _forget_steps(self, jobs: list[str]) -> None:
        if jobs:
            await self._durable().forget(jobs)

    async def _keep(self, records: Records) -> None:
        shift = Shift(records, self._clock, "upkeep")
        ids = Ids(self._clock.wall_s)
        desk = JobDesk(records, self._kinds, self._settings, self._clock, ids, self._wake)
        schedules = Schedules(self._settings, desk, self._clock, self._say)
        oblivion = Oblivion(
            shift,
            self._folder,
            self._clock,
            keep_days=self._settings.keep_days,
            has_steps=self._kinds.has_steps,
            forget_steps=self._forget_steps,
        )
        self._tasks.keep(partial(self._keep_forgetting, oblivion, shift))
        while True:
            await asyncio.sleep(_SCHEDULES_S)
            await self._surely(schedules.step())
            await self._surely(self._end_if_idle(shift))

    async def _keep_forgetting(self, oblivion: Oblivion, shift: Shift) -> None:
        some = 1

        async def forget() -> None:
            nonlocal some
            await shift.ripen_stranded(self._settings.retry_s_max)
            some = await oblivion.step()

        while True:
            await asyncio.sleep(_SCHEDULES_S if some else _OBLIVION_S)
            some = 0
            await self._surely(forget())

    async def _surely(self, step: Coroutine[Any, Any, None]) -> None:
        """Do a step; whatever goes wrong is told, and ends that step alone."""

        async def attempt() -> None:
            try:
                await step
            except StoreFault as error:
                self._say("warning", "jobs_store_failed", detail=error.message)

        await asyncio.wait({self._tasks.spawn(attempt())})

    async def _end_if_idle(self, shift: Shift) -> None:
        idle, worker = self._idle, self._worker
        if idle is None or worker is None or worker.running or self._settings.schedules:
            return
        if self._clock.monotonic_s() - worker.busy_s < idle.limit_s or await shift.has_open():
            return
        idle.release()
        # Whoever submits from now on finds nobody at work, and starts another.
        if await shift.has_open() and idle.take():
            return
        self.stop()

    async def _tick(self) -> None:
        while True:
            self._models.sweep(self._clock.monotonic_s())
            if self._tracing is not None:
                self._tracing.tick()
            await asyncio.sleep(_TICK_S)

    def _tell_bug(self, error: BaseException) -> None:
        self._say("error", "bug", about=type(error).__name__, detail=repr(error))

    def _wake(self) -> None:
        if self._worker is not None:
            self._worker.wake()

    def _close(self) -> None:
        self._models.close()
        if self._steps is not None:
            self._steps.close()
