"""Steps of jobs, recorded by DBOS (https://docs.dbos.dev): each try of a job is a workflow.

A try is the workflow `JOB-FENCE`. It begins by cancelling the workflows of earlier tries, which
takes them from whoever may still be at work on them: DBOS records a step only for the owner of its
workflow, in the transaction that looks who that is. Only then are their steps read, so nothing can
be added to them any more. A step that an earlier try recorded is not done again.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Final

from headrace.jobs.job import Job
from headrace.jobs.outcome import TakenAway

_APPLICATION: Final = "headrace"
# The same for all versions of Headrace: a workflow belongs to the worker that began it.
_VERSION: Final = "1"
_WORKFLOW: Final = "headrace_job"
_POOL: Final = 8
# DBOS sleeps for so long at a time, and its end waits for it. Nobody listens: it asks nothing.
_LISTEN_S: Final = 0.1

DoStep = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


class DurableSteps:
    """Keeps steps in a file or a database. There can be one in a process.

    Args:
        engine: makes the engine of the database, one of SQLAlchemy's.
        worker: the name of the worker.
    """

    def __init__(self, engine: Callable[[], Any], worker: str) -> None:
        self._make_engine = engine
        self._worker = worker
        self._dbos: Any = None
        self._workflow: Callable[[str], Awaitable[None]]
        self._bodies: dict[str, Callable[[], Awaitable[None]]] = {}
        self._opener = ThreadPoolExecutor(1, "steps")
        self._launching: Future[Any] | None = None

    async def run(self, job: Job, body: Callable[[DoStep], Awaitable[Any]]) -> Any:
        """Run a try of a job.

        Args:
            job: as it was claimed.
            body: does it, and is given what does a step.

        Returns:
            What `body` returned.

        Raises:
            TakenAway: another worker has taken the job.
            StoreFault: steps cannot be recorded now.
        """
        await self._open()  # first: the import takes long, and the loop has to go on meanwhile
        from dbos import DBOS, SetWorkflowID, error

        name = f"{job.id}-{job.fence}"
        with _store_faults():
            known = await self._known(job, name)
        results: list[Any] = []

        async def step(key: str, work: Callable[[], Awaitable[Any]]) -> Any:
            if key not in known:
                try:
                    known[key] = await DBOS.run_step_async({"name": key}, work)
                except error.DBOSBaseException as taken:
                    # DBOS would wait for whoever else does this workflow, and nobody may.
                    raise TakenAway(str(taken)) from taken
            return known[key]

        async def whole() -> None:
            results.append(await body(step))

        self._bodies[name] = whole
        try:
            with _store_faults(), SetWorkflowID(name):
                await self._workflow(name)
        except error.DBOSException as taken:
            raise TakenAway(str(taken)) from taken
        finally:
            del self._bodies[name]
        return results[0]

    async def forget(self, jobs: list[str]) -> None:
        """Keep no steps of these jobs any more.

        Raises:
            StoreFault: the database cannot be asked now.
        """
        if jobs:
            await self._open()
            with _store_faults():
                names = await self._workflows([f"{job}-" for job in jobs])
                await self._dbos.delete_workflows_async(names)

    def close(self) -> None:
        """Let go of threads and connections. Blocks for a moment."""
        self._opener.shutdown()
        launching = self._launching
        if launching is not None and launching.exception() is None:
            self._dbos = launching.result()
        if self._dbos is not None:
            self._dbos.destroy(destroy_registry=True)
            self._dbos = None

    async def _known(self, job: Job, name: str) -> dict[str, Any]:
        known: dict[str, Any] = {}
        if job.fence == 1:
            return known
        for earlier in await self._workflows([f"{job.id}-"]):
            if earlier == name:
                continue
            await self._dbos.cancel_workflow_async(earlier)
            for step in await self._dbos.list_workflow_steps_async(earlier):
                if step["error"] is None:
                    known[step["function_name"]] = step["output"]
        return known

    async def _workflows(self, prefixes: list[str]) -> list[str]:
        found = await self._dbos.list_workflows_async(
            workflow_id_prefix=prefixes, load_input=False, load_output=False
        )
        return [each.workflow_id for each in found]

    async def _open(self) -> None:
        while self._dbos is None:
            launching = self._launching or self._opener.submit(self._launch)
            self._launching = launching
            # Whoever is cancelled meanwhile leaves it to the others: there must be no second one.
            waiting = asyncio.wrap_future(launching)
            await asyncio.wait((waiting,))
            if self._launching is launching:
                self._launching = None
                with _store_faults():
                    self._dbos = waiting.result()

    def _launch(self) -> Any:
        from dbos import DBOS

        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS(
            config={
                "name": _APPLICATION,
                "application_version": _VERSION,
                "executor_id": self._worker,
                "system_database_engine": self._make_engine(),
                "serializer": _make_serializer(),
                "use_listen_notify": False,
                "enable_otlp": False,
                "log_level": "CRITICAL",
                "max_executor_threads": _POOL,
                "scheduler_polling_interval_sec": 3600.0,
                "notification_listener_polling_interval_sec": _LISTEN_S,
            }
        )

        @DBOS.workflow(name=_WORKFLOW)
        async def run(name: str) -> None:
            await self._bodies[name]()

        self._workflow = run
        with ExitStack() as undo:
            # What was launched by half would refuse every launch that follows.
            undo.callback(DBOS.destroy, destroy_registry=True)
            DBOS.listen_queues([])  # the queue is ours
            DBOS.launch()
            undo.pop_all()
        return DBOS


def _store_faults() -> AbstractContextManager[None]:
    from headrace.store.workflow_engine import workflow_faults  # with SQLAlchemy

    return workflow_faults()


def _make_serializer() -> Any:
    from dbos import Serializer

    class Json(Serializer):
        """JSON, and of errors their words: what is read from a database is never executed."""

        def serialize(self, data: Any) -> str:
            return json.dumps(data, default=repr)

        def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805  # as the base has it
            return json.loads(serialized_data)

        def name(self) -> str:
            return "headrace_json"

    return Json()
