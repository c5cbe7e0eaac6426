"""Plans and runs for tests of the bench."""

from collections.abc import Callable
from typing import Any

import uvloop

from headrace.bench.load.crew import Target
from headrace.bench.load.plan import Phase, Plan
from headrace.bench.load.summary import Quantiles, Summary
from headrace.bench.phases.run import Now, Run, Terms
from headrace.bench.records import Environment, PhaseRecord, Requests, RunRecord
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


def make_summary(**fields: object) -> Summary:
    """Of a thousand requests that all succeeded."""
    usual = Quantiles(count=1000, p50_ms=10.0, p95_ms=50.0, p99_ms=90.0, max_ms=99.0)
    given = {
        "requests": 1000,
        "interrupted": 0,
        "failed": 0,
        "failed_share": 0.0,
        "outcomes": {"ok": 1000},
        "details": {},
        "caches": {},
        "hit_share": None,
        "throughput_per_s": 100.0,
        "good_per_s": 90.0,
        "good_share": 0.9,
        "e2e": usual,
        "strict": usual,
        "ttft": Quantiles(),
        "tpot": Quantiles(),
        "gaps": Quantiles(),
        "lag": Quantiles(),
        "sampled_share": 1.0,
        "outages": (),
        "points": (),
        "void": None,
    }
    return Summary(**{**given, **fields})  # type: ignore[arg-type]


def make_phase_record(name: str, e2e_ms: list[float], seconds: float = 2.0) -> PhaseRecord:
    """Requests at even distances, of chats that all succeeded."""
    count = len(e2e_ms)
    return PhaseRecord(
        phase=make_phase(name=name, seconds=seconds),
        summary=make_summary(),
        requests=Requests(
            seen=count,
            at_s=[seconds * n / count for n in range(count)],
            lag_ms=[0.0] * count,
            e2e_ms=e2e_ms,
            ttft_ms=[None] * count,
            tpot_ms=[None] * count,
            outcome=["ok"] * count,
            kind=["chat"] * count,
        ),
    )


def make_record(**fields: Any) -> RunRecord:
    """Of a run that was whole, of no phases unless they are given."""
    plan = fields.get("plan") or make_plan()
    given: dict[str, Any] = {
        "name": "test",
        "plan_digest": plan.digest(),
        "seed": plan.seed,
        "started_at": 1.0,
        "target": "http://127.0.0.1:1",
        "workers": 1,
        "environment": Environment.here(),
        "status": "whole",
        "void": None,
        "plan": plan,
        "phases": (),
    }
    return RunRecord(**{**given, **fields})
