"""The showcase as it is made: three series of trials, one after the other, and what they tell."""

import platform
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import msgspec
import numpy as np

from headrace.bench.exhibit.arms import (
    OFF,
    OFF_AGAIN,
    ON,
    Exhibit,
    arms_alone,
    exhibits,
    main_arms,
)
from headrace.bench.exhibit.judge import (
    Seen,
    Sworn,
    average_improvement,
    duel,
    promise,
    worth,
)
from headrace.bench.exhibit.measures import MARGIN, figures, measures, named
from headrace.bench.exhibit.pictures import pictures
from headrace.bench.exhibit.plans import (
    CAPACITY,
    DAY,
    FULL,
    LAG_SHARE,
    TOKENS,
    Effort,
    day_plan,
    overload_plan,
    whole_plan,
)
from headrace.bench.exhibit.promises import DAY_PROMISES, MAIN_PROMISES, overload_promises
from headrace.bench.exhibit.results import Promise, Showcase
from headrace.bench.impact import Terms
from headrace.bench.load.plan import Plan
from headrace.bench.records import Environment
from headrace.bench.trials.arms import Arm
from headrace.bench.trials.series import Series, Step
from headrace.bench.trials.trial import Conditions, Trial
from headrace.clock import Clock, SystemClock

SEED: Final = 1
_WHYS_MAX: Final = 8
_ARMS_LEAST: Final = 2

SeriesName = Literal["everything", "day", "overload"]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One series of the showcase.

    Attributes:
        name: what it is called.
        arms: what is compared in it.
        plan: of each trial.
        blocks: trials of each arm.
    """

    name: SeriesName
    arms: tuple[Arm, ...]
    plan: Plan
    blocks: int

    @property
    def trials(self) -> int:
        """How many there will be."""
        return len(self.arms) * self.blocks


class Going(msgspec.Struct, frozen=True, kw_only=True):
    """How the showcase goes.

    Attributes:
        done: trials that are over, of all series.
        trials: how many there will be.
        series: the series that is made.
        step: how that one goes.
    """

    done: int
    trials: int
    series: SeriesName
    step: Step


def stages(effort: Effort, seed: int) -> tuple[Stage, ...]:
    """What is made, in this order."""

    def seeded(plan: Plan) -> Plan:
        return msgspec.structs.replace(plan, seed=seed)

    alone = effort.pairs_alone
    whole, day, overload = map(
        seeded, (whole_plan(effort), day_plan(effort), overload_plan(effort))
    )
    return (
        Stage(name="everything", arms=main_arms(effort), plan=whole, blocks=effort.pairs),
        Stage(name="day", arms=arms_alone(effort, "day"), plan=day, blocks=alone),
        Stage(name="overload", arms=arms_alone(effort, "overload"), plan=overload, blocks=alone),
    )


async def showcase(
    effort: Effort = FULL,
    *,
    seed: int = SEED,
    prices_date: str = "",
    command: str = "",
    clock: Clock | None = None,
    on_going: Callable[[Going], None] = lambda _going: None,
) -> Showcase:
    """Run everything off against everything on, and each optimisation alone.

    It starts a simulated provider and a gateway for each trial, on this machine, and ends them,
    also where it is cancelled.

    Args:
        effort: how much; `headrace.bench.exhibit.plans` has a quick one.
        seed: of schedules, prompts, the order of trials and the bootstrap.
        prices_date: the day that the gateway's list prices are of, for the report.
        command: that does it again, for the report.
        clock: the time.
        on_going: told how it goes, some times a second.

    Returns:
        Verdicts, intervals, what it is worth, and what is drawn.

    Raises:
        OSError: no folder for files can be had.
    """
    clock = clock or SystemClock()
    environment = Environment.here()
    wanted = stages(effort, seed)
    whole = sum(stage.trials for stage in wanted)
    seen: dict[str, list[Seen]] = {}
    begun_s = clock.monotonic_s()
    made: list[Stage] = []
    for stage in wanted:
        fewer = affordable(stage, effort, clock.monotonic_s() - begun_s, made)
        whole -= stage.trials - fewer.trials
        seen[stage.name] = []
        if fewer.trials:
            done = sum(each.trials for each in made)
            trials = await _made(
                fewer, effort, seed, clock, _counting(fewer, done, whole, on_going)
            )
            seen[stage.name] = [_seen(trial) for trial in trials]
        made.append(fewer)
    rng = np.random.default_rng(seed)
    facts = _facts(environment, effort, seed, prices_date)
    return _told(seen, effort, facts, command, prices_date, rng)


def affordable(stage: Stage, effort: Effort, elapsed_s: float, before: Sequence[Stage]) -> Stage:
    """A stage with as many of its arms as there is time for; the first two are the least.

    Trials so far tell what one takes beside its plan.
    """
    trials = sum(each.trials for each in before)
    if effort.seconds_max is None or not trials or not stage.blocks:
        return stage
    planned_s = sum(each.trials * each.plan.seconds for each in before)
    each_s = (elapsed_s - planned_s) / trials + stage.plan.seconds
    arms = int((effort.seconds_max - elapsed_s) / (each_s * stage.blocks))
    return msgspec.structs.replace(stage, arms=stage.arms[:arms] if arms >= _ARMS_LEAST else ())


def _counting(
    stage: Stage, done: int, trials: int, on_going: Callable[[Going], None]
) -> Callable[[Step], None]:
    def told(step: Step) -> None:
        over = done + step.number + (step.trial is not None)
        on_going(Going(done=over, trials=trials, series=stage.name, step=step))

    return told


async def _made(
    stage: Stage, effort: Effort, seed: int, clock: Clock, on_step: Callable[[Step], None]
) -> tuple[Trial, ...]:
    options = ("--prompt-cache", "--capacity", str(CAPACITY), "--speed", f"{effort.speed:g}")
    series = Series(
        stage.arms,
        stage.plan,
        blocks=stage.blocks,
        seed=seed,
        conditions=Conditions(simulator=options),
        clock=clock,
        on_step=on_step,
    )
    return await series.whole()


def _seen(trial: Trial) -> Seen:
    is_good = trial.why is None and trial.record is not None
    return Seen(
        arm=trial.arm,
        block=trial.block,
        figures=figures(trial.record, trial.metrics) if is_good and trial.record else {},
        record=trial.record if is_good else None,
        why=trial.why,
    )


def _told(
    seen: dict[str, list[Seen]],
    effort: Effort,
    facts: dict[str, str],
    command: str,
    prices_date: str,
    rng: np.random.Generator,
) -> Showcase:
    everything = seen["everything"]
    asked = measures(effort.tail)
    main = duel(everything, (OFF, ON), "everything", asked, rng)
    return Showcase(
        title="Everything off, everything on",
        facts=facts,
        command=command,
        speed=effort.speed,
        main=main,
        control=duel(everything, (OFF, OFF_AGAIN), "nothing", asked, rng)
        if effort.is_controlled
        else None,
        alone=tuple(
            duel(
                seen[each.in_series],
                (each.against, each.name),
                each.about,
                named(each.measures),
                rng,
            )
            for each in exhibits(effort)
            if any(trial.arm == each.name for trial in seen[each.in_series])
        ),
        average_improvement=average_improvement(main, rng),
        promises=(
            *_promises(DAY_PROMISES, seen["day"], rng),
            *_promises(overload_promises(effort), seen["overload"], rng),
            *_promises(MAIN_PROMISES, everything, rng),
        ),
        impact=worth(
            everything, (OFF, ON), Terms(prices_date=prices_date, speed=effort.speed), rng
        ),
        pictures=pictures(everything, (OFF, ON), rng),
        notes=tuple(_notes(seen, exhibits(effort))),
    )


def _promises(
    sworn: Sequence[Sworn], seen: Sequence[Seen], rng: np.random.Generator
) -> list[Promise]:
    return [promise(each, seen, named((each.measure,))[0], rng) for each in sworn]


def _notes(seen: dict[str, list[Seen]], shown: Sequence[Exhibit]) -> list[str]:
    failed = [
        f"{name}, {each.arm}, block {each.block + 1}: {each.why}"
        for name, trials in seen.items()
        for each in trials
        if each.why is not None
    ]
    notes = [f"A trial failed and makes its measures carry no verdict: {why}" for why in failed]
    more = len(notes) - _WHYS_MAX
    if more > 0:
        notes = [*notes[:_WHYS_MAX], f"So did {more} more."]
    made = {each.arm for trials in seen.values() for each in trials}
    notes += [f"By day, {each}." for each in _failed_by_day(seen["everything"])]
    missing = [each.name for each in shown if each.name not in made]
    if missing:
        notes.append(f"Not measured alone, for want of time: {', '.join(missing)}.")
    compound = [each.name for each in shown if each.against != OFF and each.name in made]
    if compound:
        notes.append(f"Measured against another baseline than {OFF}: {', '.join(compound)}.")
    return [
        *notes,
        "The exact cache joins identical requests in flight as well; single-flight alone is a "
        "cache whose answers expire after a millisecond.",
        "The gateway's own time is not sped up with the model, so what it adds weighs more than it "
        "would beside a real one.",
    ]


def _failed_by_day(trials: Sequence[Seen]) -> Iterator[str]:
    """What the latencies of the day leave out, arm by arm."""
    for arm in dict.fromkeys(each.arm for each in trials):
        days = [
            phase.summary
            for each in trials
            if each.arm == arm and each.record is not None
            for phase in each.record.phases
            if phase.phase.name == DAY
        ]
        failed, asked = sum(day.failed for day in days), sum(day.requests for day in days)
        yield f"{failed:,} of {asked:,} requests failed or were refused with {arm}"


def _facts(environment: Environment, effort: Effort, seed: int, prices_date: str) -> dict[str, str]:
    return {
        "machine": f"{environment.processor}, {environment.cores} cores, {environment.system}; "
        f"load {environment.load_average:.1f} before it began",
        "versions": f"Headrace {environment.headrace}, {platform.python_implementation()} "
        f"{environment.python}",
        "model": f"simulated, profile real, {effort.speed:g} times as fast, {TOKENS} tokens an "
        f"answer, slower in proportion above {CAPACITY} calls at once",
        "trials": "a fresh provider and a fresh gateway each; "
        f"{effort.pairs} blocks of everything, {effort.pairs_alone} of each alone, "
        "in random order within a block",
        "void": f"a trial whose client's p99 lag was above {LAG_SHARE:.0%} of the p99 latency",
        "margin": f"{MARGIN:.0%} of ratios",
        "seed": str(seed),
        "list prices of": prices_date or "unknown",
    }
