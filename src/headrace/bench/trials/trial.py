"""One trial: a fresh provider, a fresh gateway, one run of a plan, and a figure for each metric."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from headrace.bench.children import ChildEnded
from headrace.bench.load.crew import Target, WorkerLost
from headrace.bench.load.plan import Plan
from headrace.bench.phases.run import Now, Run, Terms
from headrace.bench.phases.watch import tree
from headrace.bench.records import RunRecord
from headrace.bench.trials.arms import Arm, Standing, simulated, standing
from headrace.bench.trials.faults import ArmInvalid
from headrace.bench.trials.metrics import NAMES, Metrics, metrics_of
from headrace.bench.trials.told import spent_usd
from headrace.clock import Clock


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all trials of a series.

    Attributes:
        workers: processes that load.
        spins: whether their clients wait on their feet.
        rows_max: requests of a phase that a trial's record tells one by one.
        credential: a key of the gateways, or none; never written down.
        is_consented: whether a URL may be another machine than this.
        nonce: stands in every prompt, with the number of the trial. A gateway that is there already
            answers a second series from what it kept of the first, unless this is another word.
        simulator: further options of the simulated provider, but for its seed, which is the plan's.
    """

    workers: int = 1
    spins: bool = False
    rows_max: int = 10_000
    credential: str | None = None
    is_consented: bool = False
    nonce: str = ""
    simulator: tuple[str, ...] = ()


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one.

    Attributes:
        arm: name of what was tried.
        block: which block it belongs to, from 0 on.
        metrics: figures by name; all of them `None` where it failed, and a single one where it was
            not to be had.
        record: of its run; `None` where there was none.
        why: it failed; else `None`.
        is_void: it failed because its client was late, which tells nothing of its arm.
    """

    arm: str
    block: int
    metrics: Metrics
    record: RunRecord | None = None
    why: str | None = None
    is_void: bool = False


class Attempt:
    """Makes one trial.

    Args:
        arm: what is tried; its settings are merged over those of the plan's gateway.
        block: which block it belongs to.
        plan: what is run.
        conditions: how.
        clock: the time.
        on_now: told how the run goes.
    """

    def __init__(
        self,
        arm: Arm,
        block: int,
        plan: Plan,
        conditions: Conditions,
        clock: Clock,
        on_now: Callable[[Now], None],
    ) -> None:
        self._arm, self._block, self._plan = arm.over(plan.gateway), block, plan
        self._conditions, self._clock, self._on_now = conditions, clock, on_now
        self._run: Run | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """End before the end; there is no trial then."""
        self._is_stopped = True
        if self._run is not None:
            self._run.stop()

    async def made(self, folder: Path) -> Trial | None:
        """Make it.

        Args:
            folder: for files; versions taken out of a checkout stay there.

        Returns:
            The trial, failed or not; `None` where it was stopped.

        Raises:
            PlanInvalid: the plan cannot be run by anybody.
        """
        try:
            async with AsyncExitStack() as processes:
                provider = await self._provider(processes)
                url = None if provider is None else provider.url
                gateway = await processes.enter_async_context(standing(self._arm, url, folder))
                trial = await self._tried(provider, gateway)
        except (ArmInvalid, ChildEnded, WorkerLost) as error:
            trial = self._failed(error.message)
        return None if self._is_stopped else trial

    async def _provider(self, processes: AsyncExitStack) -> Standing | None:
        """A gateway that is there already has its own."""
        if self._arm.url is not None:
            return None
        own = simulated(self._plan, self._conditions.simulator)
        return await processes.enter_async_context(own)

    async def _tried(self, provider: Standing | None, gateway: Standing) -> Trial:
        conditions = self._conditions
        target = Target.of(gateway.url, conditions.credential, is_consented=conditions.is_consented)
        terms = Terms(
            workers=conditions.workers,
            spins=conditions.spins,
            rows_max=conditions.rows_max,
            pid=gateway.pid,
            nonce=conditions.nonce,
        )
        # One that was there already has taken what it has taken.
        at_start = None if gateway.child is None else tree(gateway.child.pid)
        before = await asyncio.to_thread(spent_usd, target)
        self._run = Run(self._plan, target, self._arm.name, terms, self._clock, self._on_now)
        if self._is_stopped:
            self._run.stop()
        record = await self._run.whole()
        after = await asyncio.to_thread(spent_usd, target)
        why = _fault(record, provider, gateway)
        if why is not None:
            return self._failed(why, record)
        if record.void:
            failed = self._failed(f"void: {record.void}", record)
            return msgspec.structs.replace(failed, is_void=True)
        spent = None if before is None or after is None else after - before
        return Trial(
            arm=self._arm.name,
            block=self._block,
            metrics=metrics_of(record, spent, at_start),
            record=record,
        )

    def _failed(self, why: str, record: RunRecord | None = None) -> Trial:
        metrics: Metrics = dict.fromkeys(NAMES)
        return Trial(arm=self._arm.name, block=self._block, metrics=metrics, record=record, why=why)


def _fault(record: RunRecord, provider: Standing | None, gateway: Standing) -> str | None:
    """Why a run tells nothing of its arm. One that answers late or not at all tells of it."""
    for each in (provider, gateway):
        if each is not None and each.ended is not None:
            return each.ended.message
    if record.status != "whole":
        return f"the run is not whole: {record.status}"
    for phase in record.phases:
        if phase.summary.outcomes.get("connect") and phase.summary.outages:
            outage = phase.summary.outages[0]
            when = f"from {outage.from_s:.1f} to {outage.to_s:.1f} s of {phase.phase.name}"
            return f"{gateway.url} was down {when}"
    return None
