"""A queue of jobs for tests: workers in processes of their own, and a desk to submit at."""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from tests.support import headrace_process, jobs_worker
from tests.support.headrace_process import HeadraceProcess
from tests.support.jobs_worker import EFFECTS, GATE, KINDS
from tests.support.stores import UNHURRIED
from tests.support.waiting import eventually, pause_s

from headrace.clock import SystemClock
from headrace.ids import Ids
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.job import Job
from headrace.jobs.requests import JobsWanted, NewJob
from headrace.settings.jobs import JobsSettings
from headrace.store.records.open import open_records
from headrace.store.records.records import Records

Result = TypeVar("Result")

TENANT: Final = Tenant("default")
# As slow machines have it, and still quick for a test.
QUICK: Final[dict[str, Any]] = {"poll_ms": 20, "lease_s": 2.0, "retry_s": 0.05, "grace_s": 5.0}


def can_write(file: Path) -> bool:
    """Whether nobody is in the middle of a transaction that writes to a database."""
    with closing(sqlite3.connect(file, timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.rollback()
    return True


class JobHouse:
    """Where jobs are kept, and the workers that do them.

    Args:
        url: of the store.
        folder: for files.
        log_folder: for what workers say, where that is not `folder`.
        settings: of jobs, besides `QUICK`.
    """

    def __init__(
        self, url: str, folder: Path, log_folder: Path | None = None, **settings: Any
    ) -> None:
        self.url = url
        self.folder = folder
        self._log = (log_folder or folder) / "workers.log"
        self.settings = {**QUICK, **settings}
        self._workers: list[HeadraceProcess] = []

    def __enter__(self) -> "JobHouse":
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait(20)

    def start_worker(self, **settings: Any) -> HeadraceProcess:
        """Another worker, which may not be at work yet."""
        arguments = (self.url, str(self.folder), json.dumps({**self.settings, **settings}))
        with self._log.open("ab") as log:
            worker = headrace_process.fork(
                jobs_worker.__name__, *arguments, environment=os.environ, stdout=log, stderr=log
            )
        self._workers.append(worker)
        return worker

    def freeze(self, worker: HeadraceProcess) -> None:
        """Stop a worker, but not while it keeps others from writing to a file."""

        def is_stopped() -> bool:
            worker.send_signal(signal.SIGSTOP)
            if all(can_write(file) for file in self.folder.glob("*.sqlite3")):
                return True
            worker.send_signal(signal.SIGCONT)
            return False

        eventually(is_stopped)

    @property
    def log(self) -> str:
        """What the workers said."""
        return self._log.read_text("utf-8")

    def ask(self, what: Callable[[JobDesk, Records], Awaitable[Result]]) -> Result:
        """Do something at a desk of its own."""

        async def main() -> Result:
            clock = SystemClock()
            records = open_records(self.url, self.folder, clock=clock, bounds=UNHURRIED)
            settings = JobsSettings(waiting_max=1_000_000)
            desk = JobDesk(records, KINDS, settings, clock, Ids(clock.wall_s), lambda: None)
            try:
                return await what(desk, records)
            finally:
                await records.close()

        return asyncio.run(main())

    def submit(
        self, kind: str, times: int = 1, *, tenant: Tenant = TENANT, **new: Any
    ) -> list[str]:
        """Submit jobs, and give their ids."""

        async def main(desk: JobDesk, _: Records) -> list[str]:
            return [(await desk.submit(tenant, NewJob(kind, **new))).id for _ in range(times)]

        return self.ask(main)

    def find(self, job_id: str) -> Job:
        return self.ask(lambda desk, _: desk.find(TENANT, job_id))

    def cancel(self, job_id: str) -> Job:
        return self.ask(lambda desk, _: desk.cancel(TENANT, job_id))

    def retry(self, job_id: str) -> Job:
        return self.ask(lambda desk, _: desk.retry(TENANT, job_id))

    def page(self, **wanted: Any) -> list[Job]:
        return self.ask(lambda desk, _: desk.page(TENANT, JobsWanted(**wanted)))[0]

    def ended(self, job_id: str, timeout_s: float = 90.0) -> Job:
        """A job once it has ended."""

        async def look(desk: JobDesk, _: Records) -> Job | None:
            job = await desk.find(TENANT, job_id)
            return job if job.has_ended else None

        return self._until(look, timeout_s)

    def all_ended(self, jobs: list[str], timeout_s: float = 90.0) -> list[Job]:
        """These jobs once all have ended."""

        async def look(desk: JobDesk, records: Records) -> list[Job] | None:
            (row,) = await records.fetch("jobs.open", {"limit": 1})
            return None if row["jobs"] else [await desk.find(TENANT, job) for job in jobs]

        return self._until(look, timeout_s)

    def noted(self, job_id: str) -> list[dict[str, Any]]:
        """What was noted of a job."""

        async def look(desk: JobDesk, _: Records) -> list[dict[str, Any]]:
            return await desk.events(await desk.find(TENANT, job_id), 0)

        return self.ask(look)

    def effects(self, job_id: str, name: str) -> list[int]:
        """The processes that had an effect, once for each time."""
        path = self.folder / EFFECTS / f"{job_id}-{name}"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def effect_s(self, job_id: str, name: str) -> float:
        """When an effect was had last."""
        return (self.folder / EFFECTS / f"{job_id}-{name}").stat().st_mtime

    def open_gate(self) -> None:
        """Let gated steps go on."""
        (self.folder / GATE).touch()

    def _until(
        self,
        look: Callable[[JobDesk, Records], Awaitable[Result | None]],
        timeout_s: float,
    ) -> Result:
        """What is seen at one desk, as soon as it is seen."""

        async def main(desk: JobDesk, records: Records) -> Result:
            loop = asyncio.get_running_loop()
            start_s = loop.time()
            async with asyncio.timeout(timeout_s):
                while (seen := await look(desk, records)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(pause_s(loop.time() - start_s))
            return seen

        return self.ask(main)
