"""What callers do with jobs: submit, look, cancel, try again."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from headrace.clock import Clock
from headrace.errors import Conflict, InvalidRequest, NotFound, Overloaded
from headrace.ids import Ids
from headrace.jobs.job import PRIORITIES, Job
from headrace.jobs.kinds import JobKind, Kinds
from headrace.jobs.requests import JobsWanted, NewJob, input_digest
from headrace.settings.jobs import JobsSettings
from headrace.store.records.records import Records, Step

INPUT_BYTES_MAX: Final = 4 * 1024 * 1024
# As many as `jobs.events` gives at once; each belongs to one change of its job.
EVENTS_MAX: Final = 200
WALK: Final = 20_000
"""So many jobs are looked at in one search; the next one goes on."""
# By what an index leads to jobs.
_WHERE: Final = frozenset(("after", "state", "tenant"))
# How long the count of what waits is believed.
_COUNTED_S: Final = 1.0
# Above every id, in whatever order a database has texts; `~` is not in those of languages.
_BEYOND: Final = "z"


class Tenant(msgspec.Struct, frozen=True):
    """Who asks.

    Attributes:
        name: whose jobs.
        key: as `Job.caller`.
    """

    name: str
    key: str = ""


class Found(NamedTuple):
    """What a search has come to.

    Attributes:
        jobs: those that fit.
        next_after: id after which it goes on; `None` where nothing is left.
        searched_to_s: when the job was submitted up to which it came, where it ended at its bound.
    """

    jobs: list[Job]
    next_after: str | None
    searched_to_s: float | None = None


class JobDesk:
    """Takes jobs, and tells of them.

    Args:
        records: where they are kept.
        kinds: what can be done.
        settings: of jobs.
        clock: the time.
        ids: makes their ids.
        on_submit: told of each that was taken.
    """

    def __init__(
        self,
        records: Records,
        kinds: Kinds,
        settings: JobsSettings,
        clock: Clock,
        ids: Ids,
        on_submit: Callable[[], None],
    ) -> None:
        self.kinds = kinds
        self._records = records
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._on_submit = on_submit
        self._open = 0
        self._counted_s = float("-inf")

    def adopt(self, settings: JobsSettings) -> None:
        """Go by other settings from now on."""
        self._settings = settings

    async def submit(self, tenant: Tenant, new: NewJob, trace: str = "") -> Job:
        """Take a job.

        Args:
            tenant: who submits it.
            new: what is to be done.
            trace: as `Job.trace`.

        Returns:
            It, or the one that was submitted with the same key before.

        Raises:
            InvalidRequest: it is not what its kind takes.
            Conflict: its key was used for another job.
            Overloaded: too much has yet to be done.
            StoreFault: it could not be kept.
        """
        kind = self.kinds.find(new.kind)
        queue = self._queue(kind, new)
        # What is long takes a while to check, and calls go on meanwhile.
        wanted = await asyncio.to_thread(_checked_input, kind, new.input)
        now_s = self._clock.wall_s()
        due_s = new.due_s(now_s)
        await self._check_room()
        job = Job(
            id=self._ids.new("job"),
            tenant=tenant.name,
            caller=tenant.key,
            kind=kind.name,
            queue=queue,
            priority=PRIORITIES[new.priority],
            state="delayed" if due_s > now_s else "waiting",
            input=wanted.decode(),
            digest=input_digest(kind.name, queue, wanted),
            once_key=new.idempotency_key,
            created_s=now_s,
            due_s=due_s,
            attempts_max=kind.attempts_max,
            trace=trace,
        )
        return await self._keep(job)

    async def find(self, tenant: Tenant, job_id: str) -> Job:
        """A job of a tenant.

        Raises:
            NotFound: the tenant has none with this id.
            StoreFault: nothing can be looked up.
        """
        rows = await self._records.fetch("jobs.find", {"id": job_id})
        if not rows or rows[0]["tenant"] != tenant.name:
            raise _unknown(job_id)
        return msgspec.convert(rows[0], Job)

    async def version(self, job: Job) -> int | None:
        """How often a job has changed by now; `None` where it was forgotten.

        Raises:
            StoreFault: nothing can be looked up.
        """
        rows = await self._records.fetch("jobs.version", {"id": job.id})
        return rows[0]["version"] if rows else None

    async def page(self, tenant: Tenant, wanted: JobsWanted) -> tuple[list[Job], bool]:
        """A page of a tenant's jobs, without input and result, and whether there are more.

        Raises:
            StoreFault: nothing can be looked up.
        """
        values = {"tenant": tenant.name, **_page_values(wanted)}
        rows = await self._records.fetch(f"jobs.{_page_name(wanted, tenant.name)}", values)
        return msgspec.convert(rows[: wanted.limit], list[Job]), len(rows) > wanted.limit

    async def search(self, wanted: JobsWanted, tenant: str | None = None) -> Found:
        """The jobs of all tenants, for administrators, or of one; as `page`, but within a bound:
        where few are of the kind or the queue that is wanted, a page may hold less than others do,
        or none, and the next one goes on.

        Raises:
            StoreFault: nothing can be looked up.
        """
        name, values = _page_name(wanted, tenant), _page_values(wanted)
        if tenant is not None:
            values["tenant"] = tenant
        reached = None
        if wanted.kind or wanted.queue:
            begin = {key: each for key, each in values.items() if key in _WHERE}
            ends = await self._records.fetch(f"jobs.reach_{name}", {**begin, "walk": WALK})
            reached = ends[0]["id"] if ends else None
        if reached is not None:
            values["reach"] = reached
        rows = await self._records.fetch(f"jobs.{name}", values)
        jobs = msgspec.convert(rows[: wanted.limit], list[Job])
        if len(rows) > wanted.limit:
            return Found(jobs, jobs[-1].id)
        if reached is None:
            return Found(jobs, None)
        last = await self._records.fetch("jobs.find", {"id": reached})
        return Found(jobs, reached, last[0]["created_s"] if last else self._clock.wall_s())

    async def tenant_of(self, job_id: str) -> Tenant:
        """Whose a job is, for administrators.

        Raises:
            NotFound: there is none with this id.
            StoreFault: nothing can be looked up.
        """
        rows = await self._records.fetch("jobs.find", {"id": job_id})
        if not rows:
            raise _unknown(job_id)
        return Tenant(rows[0]["tenant"])

    async def cancel(self, tenant: Tenant, job_id: str) -> Job:
        """Have a job not done; one that runs is ended by its worker, which takes a moment.

        Raises:
            NotFound: as `find`.
            Conflict: it has ended.
            StoreFault: it could not be noted.
        """
        job = await self.find(tenant, job_id)
        if job.has_ended and job.state != "cancelled":
            raise Conflict(f"Job '{job.id}' has ended already: it {job.state}.", code="job_ended")
        values = {"id": job.id, "tenant": tenant.name, "now_s": self._clock.wall_s()}
        await self._records.write(Step("jobs.cancel", values))
        return await self.find(tenant, job_id)

    async def retry(self, tenant: Tenant, job_id: str) -> Job:
        """Have a job that failed or was cancelled tried again; recorded steps are not done again.

        Raises:
            NotFound: as `find`.
            Conflict: it has not ended, or it succeeded.
            StoreFault: it could not be noted.
        """
        job = await self.find(tenant, job_id)
        if job.state not in ("failed", "cancelled"):
            raise Conflict(
                f"Job '{job.id}' is {job.state}; only one that failed or was cancelled is tried "
                "again.",
                code="job_not_failed",
            )
        values = {"id": job.id, "tenant": tenant.name, "now_s": self._clock.wall_s()}
        await self._records.write(Step("jobs.retry", values))
        self._on_submit()
        return await self.find(tenant, job_id)

    async def latest_events(self, job: Job) -> list[dict[str, Any]]:
        """What was noted of a job in its last changes, `EVENTS_MAX` of them.

        Raises:
            StoreFault: nothing can be looked up.
        """
        return await self.events(job, max(0, job.version - EVENTS_MAX))

    async def events(self, job: Job, after: int) -> list[dict[str, Any]]:
        """What was noted of a job beyond a number.

        Raises:
            StoreFault: nothing can be looked up.
        """
        return await self._records.fetch("jobs.events", {"job": job.id, "after": after})

    async def look(self) -> None:
        """See that the store can be used.

        Raises:
            HeadraceError: it cannot.
        """
        await self._records.ready()

    def _queue(self, kind: JobKind[Any], new: NewJob) -> str:
        known = {*self._settings.queues, *self.kinds.queues}
        queue = new.queue or kind.queue
        if queue not in known:
            raise InvalidRequest(
                f"No queue '{queue}'; there are {', '.join(sorted(known))}. "
                "More are set by `jobs.queues`.",
                code="unknown_queue",
                param="queue",
            )
        return queue

    async def _keep(self, job: Job) -> Job:
        await self._records.write(Step("jobs.submit", msgspec.structs.asdict(job)))
        self._open += 1
        if job.once_key is not None:
            values = {"tenant": job.tenant, "once_key": job.once_key}
            kept = msgspec.convert((await self._records.fetch("jobs.find_once", values))[0], Job)
            if kept.digest != job.digest:
                raise Conflict(
                    f"The idempotency key '{job.once_key}' belongs to job '{kept.id}', which is "
                    "another one: send another key, or the same job.",
                    code="idempotency_key_reused",
                    param="idempotency_key",
                )
            job = kept
        self._on_submit()
        return job

    async def _check_room(self) -> None:
        most = self._settings.waiting_max
        if self._clock.monotonic_s() - self._counted_s > _COUNTED_S:
            self._counted_s = self._clock.monotonic_s()
            rows = await self._records.fetch("jobs.open", {"limit": most})
            self._open = rows[0]["jobs"]
        if self._open >= most:
            raise Overloaded(
                f"{most} jobs have yet to be done, and no more are taken (jobs.waiting_max).",
                code="queue_full",
                retry_after_s=5,
            )


def _page_name(wanted: JobsWanted, tenant: str | None) -> str:
    rooms = ("all", "all_state") if tenant is None else ("page", "state")
    return f"{rooms[bool(wanted.state)]}_{'down' if wanted.order == 'desc' else 'up'}"


def _page_values(wanted: JobsWanted) -> dict[str, object]:
    begin, end = (_BEYOND, "") if wanted.order == "desc" else ("", _BEYOND)
    return {
        "after": wanted.after or begin,
        "reach": end,
        "kind": wanted.kind,
        "queue": wanted.queue,
        "limit": wanted.limit + 1,
        **({"state": wanted.state} if wanted.state else {}),
    }


def _unknown(job_id: str) -> NotFound:
    return NotFound(
        f"There is no job '{job_id[:64]}': it was never submitted, or has been forgotten.",
        code="unknown_job",
    )


def _checked_input(kind: JobKind[Any], document: object) -> bytes:
    wanted = msgspec.json.encode(kind.read(document))
    if len(wanted) > INPUT_BYTES_MAX:
        raise InvalidRequest(
            f"The input of a job has at most {INPUT_BYTES_MAX} bytes.", param="input"
        )
    return wanted
