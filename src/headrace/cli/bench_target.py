"""A target of one's own: a simulated provider and a gateway before it, as long as a run takes."""

from collections.abc import Awaitable, Callable

import typer

from headrace.bench.load.plan import Plan
from headrace.bench.trials.arms import Arm, Standing, simulated, standing
from headrace.scratch import Scratch


async def with_own_target(plan: Plan, use: Callable[[Standing], Awaitable[int]]) -> int:
    """Start a provider and a gateway, use them, and end them.

    Args:
        plan: says how the provider answers, and what settings the gateway has.
        use: what to do with the gateway; should that die, it goes on, and the death is told.

    Raises:
        ChildEnded: one of them does not listen.
        HeadraceError: what `use` raises.
        OSError: likewise.
    """
    with Scratch("bench") as folder:
        async with (
            simulated(plan) as provider,
            standing(
                Arm(name="own gateway", settings=plan.gateway),
                provider.url,
                folder,
            ) as gateway,
        ):
            status = await use(gateway)
            for each in (provider, gateway):
                if each.ended is not None:
                    typer.echo(f"headrace: {each.ended.message}", err=True)
            return status
