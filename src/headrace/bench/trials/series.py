"""A series of trials: in every block each arm has its turn, in an order that chance chose."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from headrace.bench.load.plan import Plan
from headrace.bench.phases.run import Now
from headrace.bench.statistics.blocks import orders, seed_of
from headrace.bench.statistics.question import Runs
from headrace.bench.trials.arms import ARMS_MAX, Arm
from headrace.bench.trials.faults import ArmInvalid
from headrace.bench.trials.trial import Attempt, Conditions, Trial
from headrace.clock import Clock
from headrace.scratch import Scratch

BLOCKS_MAX: Final = 1000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How a series goes.

    Attributes:
        number: of the trial, from 0 on.
        trials: how many there will be.
        arm: name of the arm that has its turn.
        block: which block it belongs to.
        now: how its run goes; `None` before it begins, and when it is over.
        trial: what came of it, when it is over.
    """

    number: int
    trials: int
    arm: str
    block: int
    now: Now | None = None
    trial: Trial | None = None


class Series:
    """Makes all trials.

    Args:
        arms: what is tried; two at least, if they are to be compared.
        plan: what each trial runs. Trials of one block have the same schedule, prompts and pace of
            the model, by the plan's seed and the number of the block, so that arms differ by
            nothing but themselves; those of another block have others, or there would be no more
            than one to tell from.
        blocks: in each of them every arm is tried once.
        seed: of the order.
        conditions: what is the same for all.
        clock: the time.
        on_step: told how it goes.

    Raises:
        ArmInvalid: arms that cannot be told apart, or too few or too many of arms or blocks.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        plan: Plan,
        *,
        blocks: int,
        seed: int,
        conditions: Conditions,
        clock: Clock,
        on_step: Callable[[Step], None],
    ) -> None:
        if not 1 <= len(arms) <= ARMS_MAX or not 1 <= blocks <= BLOCKS_MAX:
            bounds = f"1 to {ARMS_MAX} arms in 1 to {BLOCKS_MAX:,} blocks"
            raise ArmInvalid(f"a series is of {bounds}, not of {len(arms)} in {blocks:,}.")
        if len({arm.name for arm in arms}) < len(arms):
            raise ArmInvalid("every arm has a name of its own.")
        self._arms, self._plan = arms, plan
        self._orders = orders(len(arms), blocks, seed)
        self._conditions, self._clock, self._on_step = conditions, clock, on_step
        self._attempt: Attempt | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """End before the end; `whole` then returns the trials that are over."""
        self._is_stopped = True
        if self._attempt is not None:
            self._attempt.stop()

    async def whole(self) -> tuple[Trial, ...]:
        """Make them.

        Returns:
            All trials in the order in which they were made, those that failed among them.

        Raises:
            PlanInvalid: the plan cannot be run by anybody.
            OSError: no folder for files can be had.
        """
        trials: list[Trial] = []
        with Scratch("bench") as folder:
            for block, order in enumerate(self._orders):
                for place in order:
                    if self._is_stopped:
                        return tuple(trials)
                    trial = await self._tried(self._arms[place], block, len(trials), folder)
                    if trial is not None:
                        trials.append(trial)
        return tuple(trials)

    async def _tried(self, arm: Arm, block: int, number: int, folder: Path) -> Trial | None:
        step = Step(
            number=number,
            trials=len(self._arms) * len(self._orders),
            arm=arm.name,
            block=block,
        )
        self._on_step(step)
        plan = msgspec.structs.replace(self._plan, seed=seed_of(self._plan.seed, block))
        conditions = self._conditions
        if conditions.nonce:
            nonce = f"{conditions.nonce}-{number:05d}"
            conditions = msgspec.structs.replace(conditions, nonce=nonce)
        self._attempt = Attempt(
            arm,
            block,
            plan,
            conditions,
            self._clock,
            lambda now: self._on_step(msgspec.structs.replace(step, now=now)),
        )
        trial = await self._attempt.made(folder)
        self._attempt = None
        self._on_step(msgspec.structs.replace(step, trial=trial))
        return trial


def whole_blocks(trials: Sequence[Trial], arms: Sequence[str]) -> tuple[int, ...]:
    """The blocks in which every arm was tried, ascending."""
    made = {(trial.block, trial.arm) for trial in trials}
    blocks = sorted({trial.block for trial in trials})
    return tuple(block for block in blocks if all((block, arm) in made for arm in arms))


def runs_of(trials: Sequence[Trial], arms: Sequence[str], metric: str) -> dict[str, Runs]:
    """One figure for each block of each arm, as comparisons take them.

    Args:
        trials: of a series.
        arms: names of those that are compared; blocks that lack one of them are left out.
        metric: which figure. A trial that failed has none, and takes the verdict with it.
    """
    found = {(trial.block, trial.arm): trial.metrics.get(metric) for trial in trials}
    blocks = whole_blocks(trials, arms)
    return {arm: [found[block, arm] for block in blocks] for arm in arms}
