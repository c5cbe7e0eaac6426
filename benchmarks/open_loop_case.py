"""Latency of memory hits under an open loop, beside nginx `proxy_pass`."""

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks import probe, processes
from benchmarks.gateway import ROOT
from benchmarks.http_client import OpenLoopPlan
from benchmarks.progress import Steps
from benchmarks.ratios import spread
from benchmarks.records import OpenLoopRow, OpenLoopRun
from benchmarks.workload import Call, chat_request, new_nonce

RATE_PER_S = 2000.0
CONNECTIONS = 64
# The lag is part of the latencies; above this share of their p99 they tell of the client.
LAG_SHARE_MAX = 0.25


class OpenLoopTarget(msgspec.Struct, frozen=True):
    """What is called."""

    name: str
    call: Call


def measure(
    targets: Sequence[OpenLoopTarget],
    seconds: float,
    rounds: int,
    directory: Path,
    dice: random.Random,
    steps: Steps,
) -> list[OpenLoopRow]:
    """Run every target in every round, in random order."""
    steps.start(f"open loop, {RATE_PER_S:g}/s", len(targets) * rounds)
    runs: dict[str, list[OpenLoopRun]] = {target.name: [] for target in targets}
    nonce = new_nonce()
    for _ in range(rounds):
        for target in dice.sample(targets, len(targets)):
            # Twice: once to be asked of the upstream, once to be remembered.
            for _ in range(2):
                probe.call(target.call.port, chat_request(target.call, nonce).request(0))
            plan = OpenLoopPlan(
                call=target.call,
                nonce=nonce,
                rate_per_s=RATE_PER_S,
                seconds=seconds,
                connections=CONNECTIONS,
                seed=dice.randrange(1 << 30),
            )
            runs[target.name].append(run_once(plan, directory))
            steps.done(target.name)
    return [_row(target.name, runs[target.name]) for target in targets]


def run_once(plan: OpenLoopPlan, directory: Path) -> OpenLoopRun:
    """Run a plan in a process of its own.

    Args:
        plan: the plan.
        directory: where it is written.
    """
    written = directory / "open-loop-plan.json"
    written.write_bytes(msgspec.json.encode(plan))
    output = processes.run_to_end(
        [sys.executable, "-m", "benchmarks.http_client", str(written)],
        seconds_max=plan.seconds + 30,
        cwd=ROOT,
    )
    return msgspec.json.decode(output, type=OpenLoopRun)


def _row(name: str, runs: Sequence[OpenLoopRun]) -> OpenLoopRow:
    return OpenLoopRow(
        name=name,
        rate_per_s=RATE_PER_S,
        p50_ms=spread([run.p50_ms for run in runs]),
        p99_ms=spread([run.p99_ms for run in runs]),
        p999_ms=spread([run.p999_ms for run in runs]),
        lag_p99_ms=spread([run.lag_p99_ms for run in runs]),
        errors=sum(run.errors for run in runs),
        void=void_reason(runs),
        rounds=list(runs),
    )


def void_reason(runs: Sequence[OpenLoopRun], lag_ms_max: float = 0.0) -> str | None:
    """Why the runs cannot be used: errors, or a client that did not keep its own times.

    Args:
        runs: all rounds.
        lag_ms_max: what it may be late in any case; a fraction of the time between two requests
            changes nothing of the schedule, and what it is late counts as the target's latency.
    """
    for run in runs:
        if run.errors:
            return f"{run.errors} requests failed: {', '.join(run.error_samples[:2])}"
        if run.lag_p99_ms > max(lag_ms_max, LAG_SHARE_MAX * run.p99_ms):
            return f"the client lagged: p99 {run.lag_p99_ms:.3f} of {run.p99_ms:.3f} ms"
    return None
