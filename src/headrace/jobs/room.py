"""Jobs in a worker of the gateway: routes, and the embedded worker that does them."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from headrace.clock import Clock
from headrace.errors import SettingsInvalid
from headrace.gateway.tasks import Spawn
from headrace.ids import Ids
from headrace.jobs.desk import JobDesk
from headrace.jobs.embedded import EmbeddedWorker, Order
from headrace.jobs.events import Watchers
from headrace.jobs.gauges import EVERY_S, JobGauges
from headrace.jobs.kinds import Kinds
from headrace.jobs.posting import JOBS_FOLDER, Posting, check_schedules
from headrace.jobs.routes import JobRoutes
from headrace.observe.job_metrics import JobMetrics
from headrace.settings import Settings
from headrace.settings.places import data_dir
from headrace.store.faults import StoreFault
from headrace.store.records.open import RECORDS_FILE
from headrace.store.records.records import Records
from headrace.store.voice import Say

_CERTIFICATES: Final = re.compile(
    "-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)


class JobsRoom:
    """Jobs of one worker of the gateway.

    Args:
        settings: in force.
        kinds: what can be done.
        records: where jobs are kept.
        clock: the time.
        ids: names jobs.
        url: where this gateway can be asked from this machine.
        secret: lets the embedded worker ask for those who submitted its jobs.
        is_first: whether this worker looks, at its start, whether anything is left to do.
        metrics: what is told of jobs.
        spawn: starts a task.
        say: tells the operator what happens.

    Raises:
        SettingsInvalid: a schedule submits what is no job.
    """

    def __init__(
        self,
        settings: Settings,
        kinds: Kinds,
        records: Records,
        *,
        clock: Clock,
        ids: Ids,
        url: str,
        secret: str,
        is_first: bool,
        metrics: JobMetrics,
        spawn: Spawn,
        say: Say,
    ) -> None:
        check_schedules(settings.jobs, kinds)
        self._settings = settings
        self._kinds = kinds
        self._records = records
        self._url = url
        self._secret = secret
        self._is_first = is_first
        self._certificate = _certificate(settings)
        self._metrics = metrics
        self._gauges = JobGauges(records, metrics, clock)
        self._spawn = spawn
        self._say = say
        self._is_told = False
        # These are taken at start only, as the gateway's own.
        self._telemetry = settings.telemetry
        self._store_url = settings.store.url.reveal()
        self._data_dir: Path = data_dir(settings)
        folder = self._data_dir / JOBS_FOLDER
        self._desk = JobDesk(records, kinds, settings.jobs, clock, ids, self._submitted)
        self._embedded = EmbeddedWorker(self._order, folder, clock=clock, spawn=spawn, say=say)
        self._routes = JobRoutes(
            self._desk, Watchers(self._desk, clock), folder, _first_model(settings)
        )

    @property
    def routes(self) -> Sequence[Any]:
        """Those of jobs, where they are wanted."""
        return self._routes.routes if self._settings.jobs.enabled else []

    @property
    def is_busy(self) -> bool:
        """Whether the embedded worker has yet to end."""
        return self._embedded.is_running

    async def start(self) -> None:
        """See whether an earlier process left anything to do."""
        await self._see_to_work(was_here=False)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings; an embedded worker with others gives way to one with these."""
        try:
            check_schedules(settings.jobs, self._kinds)
        except SettingsInvalid as error:
            self._say("error", "jobs_settings_refused", detail=error.message)
            return
        before = self._order()
        self._settings = settings
        self._certificate = _certificate(settings)
        self._desk.adopt(settings.jobs)
        self._routes.model = _first_model(settings)
        if self._order() != before:
            self._spawn(self._see_to_work(was_here=self._embedded.renew()))

    def stop(self) -> None:
        """Have the embedded worker finish, or give back what it does."""
        self._embedded.stop()

    async def close(self) -> None:
        """Wait for the end of the embedded worker."""
        await self._embedded.close()

    def _submitted(self) -> None:
        self._metrics.submitted()
        self._wanted()

    def _wanted(self) -> None:
        if self._settings.jobs.embedded:
            self._embedded.want()
        if self._is_first and not self._is_told:
            self._is_told = True
            self._spawn(self._tell())

    async def _see_to_work(self, *, was_here: bool) -> None:
        """Have what is left to do done by the worker of this or the first process."""
        jobs = self._settings.jobs
        if not (jobs.enabled and (self._is_first or was_here)):
            return
        if jobs.schedules or await self._has_open():
            self._wanted()

    async def _tell(self) -> None:
        while True:
            try:
                await self._gauges.step()
            except StoreFault as error:
                self._say("warning", "jobs_store_failed", detail=error.message)
            await asyncio.sleep(EVERY_S)

    async def _has_open(self) -> bool:
        # A file that is not there has no jobs in it, and need not be made for asking.
        is_file = self._store_url == "sqlite"
        if is_file and not (self._data_dir / RECORDS_FILE).exists():
            return False
        try:
            return bool((await self._records.fetch("jobs.open", {"limit": 1}))[0]["jobs"])
        except StoreFault as error:
            self._say("warning", "jobs_store_failed", detail=error.message)
            return False

    def _order(self) -> Order:
        posting = Posting(
            store_url=self._store_url,
            data_dir=str(self._data_dir.absolute()),
            gateway=self._url,
            key=self._secret,
            is_deputy=True,
            certificate=self._certificate,
        )
        # Messages are taken by `headrace jobs work`, which ends only when it is told to.
        settings, telemetry = self._settings, self._telemetry
        return Order(posting, msgspec.structs.replace(settings.jobs, amqp=None), telemetry)


def _first_model(settings: Settings) -> str | None:
    return next(iter(settings.models), None)


def _certificate(settings: Settings) -> str | None:
    """What the gateway presents: without the key, which may be in the same file."""
    tls = settings.listen.tls
    if tls is None:
        return None
    return "\n".join(_CERTIFICATES.findall(Path(tls.cert).read_text("ascii", "replace")))
