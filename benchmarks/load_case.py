"""Hits and misses: CPU microseconds per request, beside nginx `proxy_pass` in the same rounds."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks import nginx, probe, processes, procfs, wrk
from benchmarks.progress import Steps
from benchmarks.ratios import paired_ratio, spread
from benchmarks.records import LoadRound, LoadRow
from benchmarks.workload import Call, chat_request, new_nonce

# Our own probes, on top of the requests on their way when wrk stops.
UPSTREAM_SLACK = 8
IDLE_STEP_S = 0.1
IDLE_CPU_US_MAX = 5_000.0
IDLE_S_MAX = 30.0


class LoadTarget(msgspec.Struct, frozen=True):
    """What is loaded, how, and what its row has to show.

    Attributes:
        name: the row's name.
        child: the process whose tree is accounted.
        call: how it wants to be called.
        log: its log file, emptied between rounds.
        remembers: answers come from its cache, and none of them from the mock.
        nonce: the word in a remembered request.
        cache_header: the cache result the answer has to announce, where it announces one.
        connections: kept-alive connections.
        calls_share_max: share of what it remembers that it may ask again.
        settles: it goes on working after its last answer, which counts too: a round begins and
            ends when it has come to rest.
    """

    name: str
    child: processes.Child
    call: Call
    log: Path | None = None
    remembers: bool = False
    nonce: str = ""
    cache_header: str | None = None
    connections: int = wrk.CONNECTIONS
    calls_share_max: float = 0.0
    settles: bool = False


class LoadPlan(msgspec.Struct, frozen=True):
    """How much is measured."""

    rounds: int
    round_s: float
    warm_up_s: float


def measure(
    targets: Sequence[LoadTarget],
    baseline: str,
    mock_port: int,
    plan: LoadPlan,
    directory: Path,
    dice: random.Random,
    steps: Steps,
) -> list[LoadRow]:
    """Load every target in every round, in random order, and pair each with the baseline."""
    steps.start("hit and miss", len(targets) * (plan.rounds + 1))
    for target in targets:
        one_round(target, mock_port, plan.warm_up_s, directory)
        steps.done(target.name)
    rounds: dict[str, list[LoadRound]] = {target.name: [] for target in targets}
    for _ in range(plan.rounds):
        for target in dice.sample(targets, len(targets)):
            rounds[target.name].append(one_round(target, mock_port, plan.round_s, directory))
            steps.done(target.name)
    base = [one.cpu_us for one in rounds[baseline]]
    return [_row(target, rounds[target.name], base) for target in targets]


def one_round(target: LoadTarget, mock_port: int, seconds: float, directory: Path) -> LoadRound:
    """Load one target once and account its process tree.

    Args:
        target: what is loaded.
        mock_port: the mock upstream behind it.
        seconds: how long.
        directory: where the request's parts are written.
    """
    # A word of its own for every round of misses: nothing sent before can be remembered.
    template = chat_request(target.call, target.nonce if target.remembers else new_nonce())
    _check_answer(target, template.request(0))
    if target.settles:
        _rest(target.child)
    served_before = nginx.settle(mock_port)
    cpu_before = procfs.tree_cpu(target.child.pid)
    summary = wrk.run(
        template,
        target.call.port,
        directory,
        seconds=seconds,
        distinct=not target.remembers,
        first=0,
        connections=target.connections,
    )
    if target.settles:
        _rest(target.child)
    cpu_us = procfs.cpu_between_us(cpu_before, procfs.tree_cpu(target.child.pid))
    return LoadRound(
        cpu_us=cpu_us / max(1, summary.requests),
        rate_per_s=summary.requests / (summary.duration_us / 1e6),
        latency_p50_us=summary.p50_us,
        latency_p99_us=summary.p99_us,
        requests=summary.requests,
        upstream_requests=nginx.requests_served(mock_port) - served_before - 1,
        errors=summary.errors,
        rss_mib=procfs.tree_memory(target.child.pid).rss_mib,
        log_bytes=0 if target.log is None else processes.empty_file(target.log),
    )


def _rest(child: processes.Child) -> None:
    """Wait until a child hardly works any more, for a bounded time."""
    deadline_s = time.monotonic() + IDLE_S_MAX
    while time.monotonic() < deadline_s:
        before = procfs.tree_cpu(child.pid)
        time.sleep(IDLE_STEP_S)
        if procfs.cpu_between_us(before, procfs.tree_cpu(child.pid)) < IDLE_CPU_US_MAX:
            return


def _check_answer(target: LoadTarget, request: bytes) -> None:
    for _ in range(2 if target.remembers else 1):
        answer = probe.call(target.call.port, request)
    if answer.status != 200:
        raise processes.ChildFailed(
            f"{target.name} answered {answer.status}:\n{target.child.tail()}"
        )
    announced = answer.headers.get("x-headrace-cache")
    if target.cache_header is not None and announced != target.cache_header:
        raise processes.ChildFailed(
            f"{target.name}: x-headrace-cache is {announced}, not {target.cache_header}"
        )


def _row(target: LoadTarget, rounds: Sequence[LoadRound], base: Sequence[float]) -> LoadRow:
    cpu = [one.cpu_us for one in rounds]
    return LoadRow(
        name=target.name,
        cpu_us=spread(cpu),
        ratio=paired_ratio(cpu, base),
        rate_per_s=spread([one.rate_per_s for one in rounds]),
        rss_mib=median(one.rss_mib for one in rounds),
        errors=sum(one.errors for one in rounds),
        void=void_reason(
            target.remembers, rounds, target.connections + UPSTREAM_SLACK, target.calls_share_max
        ),
        rounds=list(rounds),
    )


def void_reason(
    remembers: bool, rounds: Sequence[LoadRound], slack: int, calls_share_max: float = 0.0
) -> str | None:
    """Why the rounds cannot be used: errors, or answers that did not come from where they should.

    Args:
        remembers: the answers should have come from the target's own cache.
        rounds: what was measured.
        slack: how many requests the two counts may differ by.
        calls_share_max: share of what is remembered that may be asked again besides.
    """
    for one in rounds:
        if one.errors:
            return f"{one.errors} requests failed"
        if one.requests == 0:
            return "nothing was answered"
        expected = 0 if remembers else one.requests
        slack_now = slack + calls_share_max * one.requests
        if abs(one.upstream_requests - expected) > slack_now:
            return f"{one.requests} answers, {one.upstream_requests} of them from the upstream"
    return None
