"""Plans and runs for tests of the bench."""

from collections.abc import Callable
from typing import Any

import uvloop

from headrace.bench.load.crew import Target
from headrace.bench.load.plan import Phase, Plan
from headrace.bench.phases.run import Now, Run, Terms
from headrace.bench.records import PhaseRecord, RunRecord
from headrace.clock import SystemClock


def make_phase(**fields: Any) -> Phase:
    """A second of ten users who ask thirty times in all."""
    given = {"name": "one", "kind": "load", "seconds": 1.0, "users": 10, "per_user_per_min": 180.0}
    return Phase(**{**given, **fields})


def make_plan(*phases: Phase, **fields: Any) -> Plan:
    """A plan that no machine is too slow for: only a lag beyond all measure voids it."""
    given: dict[str, Any] = {"name": "test", "lag_share": 1e6}
    return Plan(phases=phases or (make_phase(),), **{**given, **fields})


def run_plan(
    plan: Plan,
    url: str,
    *,
    on_now: Callable[[Run, Now], None] = lambda _run, _now: None,
    **terms: Any,
) -> RunRecord:
    """Run a plan against a URL, to its end."""

    async def whole() -> RunRecord:
        run = Run(
            plan, Target.of(url), url, Terms(**terms), SystemClock(), lambda now: on_now(run, now)
        )
        return await run.whole()

    return uvloop.run(whole())


def only(record: RunRecord) -> PhaseRecord:
    """Its one phase."""
    (phase,) = record.phases
    return phase
