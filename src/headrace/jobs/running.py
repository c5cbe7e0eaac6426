"""One try of a job, from its claim to its outcome."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from headrace.clock import Clock
from headrace.errors import InvalidRequest
from headrace.gateway.tasks import Tasks
from headrace.jobs.context import JobContext, JobFailed, JobRefused, Models
from headrace.jobs.job import Job
from headrace.jobs.kinds import JobKind, Kinds
from headrace.jobs.outcome import Failed, Later, Outcome, TakenAway, of_error, of_result
from headrace.jobs.traced import tell_try
from headrace.observe.telemetry.traces import Trace, Tracer
from headrace.settings.jobs import JobsSettings
from headrace.store.faults import StoreFault

# Progress is kept this often at most; what is told in between is overwritten by what comes next.
_TOLD_EVERY_S: Final = 0.5
# How long a job that was told to end may take for it before it is left to itself.
_END_S: Final = 20.0

Why = Literal["cancelled", "lost", "stopping", "late"]
DoStep = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


class StepKeeper(Protocol):
    """Records steps."""

    async def run(self, job: Job, body: Callable[[DoStep], Awaitable[Any]]) -> Any: ...


class Hands(Protocol):
    """What a try asks of the store."""

    async def holds(self, job: Job) -> bool: ...
    async def tell(self, job: Job, share: float, text: str) -> None: ...


class Bench(msgspec.Struct, frozen=True):
    """What tries need besides the job.

    Attributes:
        chance: gives numbers from 0 to 1.
        models: makes what asks models for a job, at its place in a trace.
        steps: opens what records steps; not called before a job wants it.
        folder: holds a folder for each job.
        tracer: traces tries; `None` where that is not wanted.
    """

    kinds: Kinds
    settings: JobsSettings
    clock: Clock
    chance: Callable[[], float]
    models: Callable[[Job, Trace | None], Models]
    steps: Callable[[], StepKeeper]
    hands: Hands
    folder: Path
    tracer: Tracer | None = None


class Try:
    """A try under way.

    Args:
        job: as it was claimed.
        bench: what it needs.
    """

    def __init__(self, job: Job, bench: Bench) -> None:
        self.job = job
        self._bench = bench
        self._why: Why | None = None
        self._tasks = Tasks(_judged_later)
        self._inner: asyncio.Task[None] | None = None
        self._result: object = None
        self._context: JobContext | None = None
        self._told_s = float("-inf")
        self._trace = bench.tracer.resume(job.trace) if bench.tracer is not None else None

    def stop(self, why: Why) -> None:
        """End it at its next `await`; a first reason stays."""
        self._why = self._why or why
        if self._context is not None:
            self._context.end(unwanted=self._why == "cancelled")
        if self._inner is not None:
            self._inner.cancel()

    async def outcome(self) -> Outcome | None:
        """Do it; None where the job is in other hands by now. Whatever happens, there is one."""
        began_s = self._bench.clock.monotonic_s()
        outcome = await self._surely()
        if self._trace is not None:
            tell_try(self._trace, self.job, outcome, began_s)
        return outcome

    async def _surely(self) -> Outcome | None:
        found: list[Outcome | None] = []

        async def go() -> None:
            found.append(await self._outcome())

        task = self._tasks.spawn(go())
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if found:
            return found[0]
        error = task.exception() or JobRefused("Nothing came of it.")
        bench = self._bench
        return of_error(self.job, error, bench.settings, bench.clock.wall_s(), bench.chance())

    async def _outcome(self) -> Outcome | None:
        try:
            kind = self._bench.kinds.find(self.job.kind)
            wanted = kind.read(msgspec.json.decode(self.job.input))
        except InvalidRequest as error:
            return Failed(error.code, error.message)
        folder = self._bench.folder / self.job.id
        self._context = context = JobContext(
            self.job.id,
            tenant=self.job.tenant,
            attempt=self.job.attempts,
            folder=folder,
            models=self._bench.models(self.job, self._trace),
            recorder=self,
        )
        if self._why is None:
            self._inner = inner = self._tasks.spawn(self._whole(kind, context, wanted))
            await asyncio.wait({inner}, timeout=kind.limit_s)
            if not inner.done():
                self.stop("late")
                await asyncio.wait({inner}, timeout=_END_S)
        context.end()
        if context.has_scratch:
            await asyncio.to_thread(context.clear)
        return self._judged(kind)

    async def step(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ARG002
        """Refuses steps of a kind that has declared none."""
        raise JobFailed(f"Jobs of kind '{self.job.kind}' record no steps, and '{key}' is one.")

    async def progress(self, share: float, text: str) -> None:
        """Note progress, now and then."""
        now_s = self._bench.clock.monotonic_s()
        if now_s - self._told_s >= _TOLD_EVERY_S:
            self._told_s = now_s
            with contextlib.suppress(StoreFault):  # it is not what the job is for
                await self._bench.hands.tell(self.job, share, text)

    async def _whole(self, kind: JobKind[Any], context: JobContext, wanted: Any) -> None:
        if not kind.has_steps:
            self._result = await kind.run(context, wanted)
            return

        async def body(step: DoStep) -> object:
            recording = _Recording(self, step)
            context.record_with(recording)
            return await kind.run(context, wanted)

        self._result = await self._bench.steps().run(self.job, body)

    def _judged(self, kind: JobKind[Any]) -> Outcome | None:
        inner, now_s = self._inner, self._bench.clock.wall_s()
        if inner is not None and inner.done() and not inner.cancelled():
            error = inner.exception()
            if error is None:
                return of_result(self._result)
            if isinstance(error, TakenAway) or self._why == "lost":
                return None
            if self._why is None:
                return of_error(self.job, error, self._bench.settings, now_s, self._bench.chance())
        if self._why == "cancelled":
            return Failed("cancelled", "It was cancelled.", "cancelled")
        if self._why == "lost":
            return None
        if self._why == "late":
            late = JobRefused(f"It took longer than {kind.limit_s:g} s.")
            return of_error(self.job, late, self._bench.settings, now_s, self._bench.chance())
        return Later(now_s, "worker_stopped", "Its worker was stopped.", is_counted=False)

    async def check(self) -> None:
        """See that the job is still ours."""
        if not await self._bench.hands.holds(self.job):
            raise TakenAway


class _Recording:
    """Steps of one try: each is begun only while the job is in our hands."""

    def __init__(self, of: Try, step: DoStep) -> None:
        self._of = of
        self._step = step

    async def step(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        async def checked() -> Any:
            await self._of.check()
            return await work()

        return await self._step(key, checked)

    async def progress(self, share: float, text: str) -> None:
        await self._of.progress(share, text)


def _judged_later(error: BaseException) -> None:
    """What a kind raises is no bug of ours: its try looks at it."""
