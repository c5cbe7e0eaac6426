"""`headrace bench run` and `headrace bench plan`: from a plan's name to a run of it."""

from typing import Literal

import msgspec
import typer
import uvloop

from headrace.bench.load.crew import Target
from headrace.bench.load.faults import PlanInvalid
from headrace.bench.load.plan import Plan, scaled
from headrace.bench.phases import plans
from headrace.bench.records import check_writable
from headrace.bench.trials.arms import Standing
from headrace.cli.bench_run import RunWish, conduct, conducted, credential_of
from headrace.cli.bench_target import with_own_target


class PlanWish(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed of the plan.

    Attributes:
        plan: name of one that ships, or a file.
        short: whether its short form is wanted.
        time: factor of its time, in place of the short form's.
        users: factor of its users, likewise.
        seed: in place of its own.
        sim: pace of the simulated provider, in place of the plan's.
    """

    plan: str
    short: bool
    time: float | None = None
    users: float | None = None
    seed: int | None = None
    sim: Literal["instant", "fast", "real"] | None = None


def plan_of(wish: PlanWish) -> Plan:
    """The plan that is wanted.

    Raises:
        PlanInvalid: it cannot be run; the message says where and why.
        OSError: it cannot be read.
    """
    plan = plans.parse(*plans.find(wish.plan))
    if wish.seed is not None:
        plan = msgspec.structs.replace(plan, seed=wish.seed)
    if wish.sim is not None:
        plan = msgspec.structs.replace(plan, sim_profile=wish.sim)
    time = wish.time or (plan.short.time if wish.short else 1.0)
    users = wish.users or (plan.short.users if wish.short else 1.0)
    return plan if time == users == 1.0 else scaled(plan, time, users)


def run(wish: PlanWish, how: RunWish) -> None:
    """`headrace bench run`.

    Raises:
        PlanInvalid: what was typed cannot be run.
        ChildEnded: the gateway that was started does not listen.
        OSError: a file cannot be read or written.
        typer.Exit: always in the end, with the status.
    """
    plan = plan_of(wish)
    if how.url is not None:
        if wish.sim is not None:
            raise PlanInvalid("--sim is the pace of a provider that the run starts: not with --url")
        target = Target.of(how.url, credential_of(how.api_key_env), is_consented=how.is_consented)
        raise typer.Exit(conduct(plan, target, how.url, how))
    if how.pid is not None or how.api_key_env is not None:
        raise PlanInvalid("--pid and --api-key-env are of a target that is there: give its --url")
    if how.out is not None:
        check_writable(how.out)

    async def measured(own: Standing) -> int:
        watched = msgspec.structs.replace(how, pid=own.pid)
        name = f"its own gateway (sim: {plan.sim_profile})"
        return await conducted(plan, Target.of(own.url), name, watched)

    raise typer.Exit(uvloop.run(with_own_target(plan, measured)))


def tell(wish: PlanWish) -> None:
    """`headrace bench plan`.

    Raises:
        PlanInvalid: there is no such plan, or it is none.
        OSError: it cannot be read.
    """
    if wish.short:
        typer.echo(plans.as_yaml(plan_of(wish)), nl=False)
        return
    text, name = plans.find(wish.plan)
    plans.parse(text, name)
    typer.echo(text, nl=False)
