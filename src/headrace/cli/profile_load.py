"""`headrace profile --load`: a plan of load on the gateway, for as long as it is looked at."""

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import uvloop
from rich.console import Console

from headrace.bench.load.crew import Target
from headrace.bench.load.plan import Plan
from headrace.bench.phases.run import Now, Run, Terms
from headrace.bench.records import RunRecord
from headrace.bench.trials.arms import Standing
from headrace.cli.bench_plan import PlanWish, plan_of
from headrace.cli.bench_run import credential_of, nonce_of
from headrace.cli.bench_target import with_own_target
from headrace.cli.bench_view import HEADS, cells, live
from headrace.clock import SystemClock
from headrace.observe.profiling.report import Sheet
from headrace.observe.profiling.sampler import NotProfiled

Seen = TypeVar("Seen")

_WORKERS: Final = 1


class LoadWanted(msgspec.Struct, frozen=True):
    """The load of a profile.

    Attributes:
        plan: what is sent.
        target: where to; `None`: a gateway is started for it.
    """

    plan: Plan
    target: Target | None

    @classmethod
    def of(
        cls, name: str, url: str | None, api_key_env: str | None, *, is_short: bool
    ) -> "LoadWanted":
        """Read a plan, and where it goes.

        Raises:
            PlanInvalid: one of them cannot be used.
            OSError: the plan cannot be read.
        """
        plan = plan_of(PlanWish(plan=name, short=is_short))
        target = None if url is None else Target.of(url, credential_of(api_key_env))
        return cls(plan, target)


class Loaded(msgspec.Struct, frozen=True):
    """What is looked at while it is loaded.

    Attributes:
        url: where it listens.
        pid: its process.
        is_over: whether the load is over.
    """

    url: str
    pid: int
    is_over: Callable[[], bool]


def under_load(
    wanted: LoadWanted, url: str, pid: int, look: Callable[[Loaded], Seen]
) -> tuple[Seen, RunRecord]:
    """Load the gateway while it is looked at; whichever ends first ends the other.

    Args:
        wanted: the load. Where it has no target, a provider and a gateway are started for it, and
            end with it.
        url: of the gateway, unless it is started.
        pid: of its process, whose memory and CPU time the record tells.
        look: runs on a thread of its own.

    Raises:
        HeadraceError: what either of them raises.
        OSError: likewise.
    """
    if wanted.target is None:
        return uvloop.run(_on_its_own(wanted.plan, look))
    return uvloop.run(_both(wanted.plan, wanted.target, url, pid, look))


async def _on_its_own(plan: Plan, look: Callable[[Loaded], Seen]) -> tuple[Seen, RunRecord]:
    found: list[tuple[Seen, RunRecord]] = []

    async def measured(own: Standing) -> int:
        assert own.pid is not None  # noqa: S101  # it was started here
        found.append(await _both(plan, Target.of(own.url), own.url, own.pid, look))
        return 0

    await with_own_target(plan, measured)
    return found[0]


async def _both(
    plan: Plan, target: Target, url: str, pid: int, look: Callable[[Loaded], Seen]
) -> tuple[Seen, RunRecord]:
    try:
        return await _at_once(plan, target, url, pid, look)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _at_once(
    plan: Plan, target: Target, url: str, pid: int, look: Callable[[Loaded], Seen]
) -> tuple[Seen, RunRecord]:
    begun, over = asyncio.Event(), threading.Event()
    terms = Terms(workers=_WORKERS, rows_max=0, pid=pid, nonce=nonce_of(None))
    loop = asyncio.get_running_loop()
    with live(Console(stderr=True), plan) as tell:

        def heard(now: Now) -> None:
            begun.set()
            tell(now)

        async def looked() -> Seen:
            await begun.wait()
            try:
                if over.is_set():
                    raise NotProfiled("the load ended before it began")
                return await asyncio.to_thread(look, Loaded(url, pid, over.is_set))
            finally:
                run.stop()

        run = Run(plan, target, url, terms, SystemClock(), heard)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, run.stop)
        async with asyncio.TaskGroup() as group:
            seen = group.create_task(looked())
            try:
                record = await run.whole()
            finally:
                over.set()
                begun.set()
        return seen.result(), record


def sheet(record: RunRecord) -> Sheet:
    """What became of the load, for the report."""
    return Sheet(
        title="The load",
        about=f"Plan {record.name} of {record.plan.seconds:g} s on {record.target}; times in ms, "
        "from when a request should have been sent. It ended with the samples.",
        heads=HEADS,
        rows=[cells(phase) for phase in record.phases],
    )
