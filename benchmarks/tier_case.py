"""What a hit below memory adds to a memory hit: Valkey and SQLite, under an open loop.

Of every tier there are two gateways. One has asked the provider, and remembers every answer: its
hits come from memory. The other shares the tier with it and has room for one answer in memory, so
that every request of a round, each another one than the last, is a hit of the tier. Every answer
has to say where it comes from.
"""

import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks import gateway, nginx, open_loop_case, processes, told_metrics, valkey, workload
from benchmarks.bars import at_most
from benchmarks.cache_records import TierRow
from benchmarks.gateway import ROOT, Gateway, Wants
from benchmarks.http_client import CountPlan, CountRun, OpenLoopPlan
from benchmarks.open_loop_case import run_once
from benchmarks.progress import Steps
from benchmarks.ratios import paired_difference, spread
from benchmarks.records import Bar, OpenLoopRun
from benchmarks.workload import new_nonce

RATE_PER_S = 200.0
LAG_MS_MAX = 0.1 * 1000 / RATE_PER_S
CONNECTIONS = 16
ANSWER_BYTES = (1_000, 8_000)
SHARED, DURABLE = "l2", "l3"
TIERS = (SHARED, DURABLE)
MEMORY = "l1"
MEMORY_MB = 256
FILL_CONNECTIONS = 16
FILL_S_MAX = 120.0
FILL_ATTEMPTS = 3
# A machine that is slow for a moment must not keep answers from being written.
FILL_TIMEOUT_MS = 2000
WRITTEN_S_MAX = 15.0
# A look-up that took too long was a call: a few tell of the tier, more of something else.
ELSEWHERE_SHARE_MAX = 0.01

SHARED_ADDED_P99_MS_MAX = 1.0
DURABLE_P99_MS_MAX = 3.0


class TierPlan(msgspec.Struct, frozen=True):
    """How much is measured.

    Attributes:
        rounds: how often each.
        round_s: how long each time.
        entries: answers that the tiers hold.
    """

    rounds: int
    round_s: float
    entries: int


class Target(msgspec.Struct, frozen=True):
    """A gateway that is asked, and where its answers come from."""

    tier: str
    source: str
    served: Gateway
    nonce: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.tier}, from {self.source}"


Runs = Mapping[tuple[str, str], Sequence[OpenLoopRun]]
"""By tier, and by where the answers came from."""


def measure(plan: TierPlan, directory: Path, dice: random.Random, steps: Steps) -> list[TierRow]:
    """Every tier with answers of every size.

    Args:
        plan: how much.
        directory: where children keep their files.
        dice: order of the targets, arrival times.
        steps: progress.

    Raises:
        ChildFailed: something did not start, or does not hold what it should.
    """
    rows: list[TierRow] = []
    for answer_bytes in ANSWER_BYTES:
        home = directory / f"{answer_bytes}"
        home.mkdir()
        steps.start(f"tiers, {answer_bytes:,} bytes", len(TIERS) * (1 + 2 * plan.rounds))
        with _targets(plan, answer_bytes, home, steps) as targets:
            runs = _rounds(targets, plan, home, dice, steps)
        rows += [tier_row(tier, answer_bytes, runs) for tier in TIERS]
    return rows


def tier_row(tier: str, answer_bytes: int, runs: Runs) -> TierRow:
    """All rounds of one tier beside those of memory.

    Args:
        tier: which.
        answer_bytes: length of the answers.
        runs: of this tier and others.
    """
    memory, mine = runs[tier, MEMORY], runs[tier, tier]
    memory_p50, memory_p99 = [run.p50_ms for run in memory], [run.p99_ms for run in memory]
    p50, p99 = [run.p50_ms for run in mine], [run.p99_ms for run in mine]
    return TierRow(
        tier=tier,
        answer_bytes=answer_bytes,
        rate_per_s=RATE_PER_S,
        memory_p50_ms=spread(memory_p50),
        memory_p99_ms=spread(memory_p99),
        p50_ms=spread(p50),
        p99_ms=spread(p99),
        added_p50_ms=paired_difference(p50, memory_p50),
        added_p99_ms=paired_difference(p99, memory_p99),
        void=void_reason([*memory, *mine]),
        memory_rounds=list(memory),
        rounds=list(mine),
    )


def void_reason(runs: Sequence[OpenLoopRun]) -> str | None:
    """Why the runs cannot be used: errors, a client that lagged, answers from elsewhere."""
    for run in runs:
        if run.elsewhere > ELSEWHERE_SHARE_MAX * run.requests:
            return f"{run.elsewhere} of {run.requests} answers came from elsewhere"
    return open_loop_case.void_reason(runs, lag_ms_max=LAG_MS_MAX)


def bars(rows: Sequence[TierRow]) -> list[Bar]:
    """What is promised of the tiers; nothing where nothing was run."""
    return [_bar(row) for row in rows]


def _bar(row: TierRow) -> Bar:
    of = f"{row.answer_bytes / 1000:g} kB"
    if row.tier == SHARED:
        name = f"a Valkey hit of {of} adds, p99"
        return at_most(name, row.added_p99_ms, SHARED_ADDED_P99_MS_MAX, "ms", row.void)
    # Where even a memory hit takes as long, the machine is what was slow.
    name = f"a SQLite hit of {of}, p99"
    return at_most(name, row.p99_ms, DURABLE_P99_MS_MAX, "ms", row.void, row.memory_p99_ms)


@contextmanager
def _targets(
    plan: TierPlan, answer_bytes: int, directory: Path, steps: Steps
) -> Iterator[list[Target]]:
    with ExitStack() as stack:
        mock = stack.enter_context(nginx.mock(directory, workload.long_completion(answer_bytes)))
        shared = stack.enter_context(valkey.serving(directory))
        wanted = {
            SHARED: Wants(cache={"shared": shared.url}),
            DURABLE: Wants(cache={"durable": True}, data_dir=directory / "data"),
        }
        targets = []
        for tier, wants in wanted.items():
            patient = _with(wants, tier_timeout_ms=FILL_TIMEOUT_MS)
            first = stack.enter_context(
                gateway.serving(
                    f"{tier}-memory", directory, mock.port, cache_mb=MEMORY_MB, wants=patient
                )
            )
            nonce = _filled(first, tier, plan.entries, directory)
            small = _with(wants, entries_max=1)
            second = stack.enter_context(
                gateway.serving(f"{tier}-small", directory, mock.port, wants=small)
            )
            targets.append(Target(tier, MEMORY, first, nonce))
            targets.append(Target(tier, tier, second, nonce))
            steps.done(f"{tier} filled")
        yield targets


def _with(wants: Wants, **settings: object) -> Wants:
    return msgspec.structs.replace(wants, cache={**wants.cache, **settings})


def _filled(served: Gateway, tier: str, entries: int, directory: Path) -> str:
    """Have every answer asked for once, and wait until the tier holds them all.

    Returns:
        the word in the requests.

    Raises:
        ChildFailed: some were not written, several times over.
    """
    for _ in range(FILL_ATTEMPTS):
        before = _writes(served, tier)["written"]
        nonce = new_nonce()
        _ask_all(CountPlan(served.call, nonce, 0, entries, FILL_CONNECTIONS), directory)
        deadline_s = time.monotonic() + WRITTEN_S_MAX
        while time.monotonic() < deadline_s:
            if _writes(served, tier)["written"] >= before + entries:
                return nonce
            time.sleep(0.1)
    counts = ", ".join(f"{count:.0f} {outcome}" for outcome, count in _writes(served, tier).items())
    raise processes.ChildFailed(f"{tier} does not take {entries} answers: {counts}")


def _ask_all(plan: CountPlan, directory: Path) -> None:
    written = directory / "fill-plan.json"
    written.write_bytes(msgspec.json.encode(plan))
    output = processes.run_to_end(
        [sys.executable, "-m", "benchmarks.http_client", str(written)],
        seconds_max=FILL_S_MAX,
        cwd=ROOT,
    )
    filled = msgspec.json.decode(output, type=CountRun)
    if filled.errors:
        raise processes.ChildFailed(f"filling failed: {', '.join(filled.error_samples)}")


def _writes(served: Gateway, tier: str) -> dict[str, float]:
    page = told_metrics.read(served.port)
    return {
        outcome: told_metrics.value(page, "headrace_tier_writes_total", tier=tier, outcome=outcome)
        for outcome in ("written", "failed", "dropped")
    }


def _rounds(
    targets: Sequence[Target], plan: TierPlan, directory: Path, dice: random.Random, steps: Steps
) -> Runs:
    runs: dict[tuple[str, str], list[OpenLoopRun]] = {
        (target.tier, target.source): [] for target in targets
    }
    for target in targets:  # what opens with the first look-up is no part of the rounds
        _one_round(target, plan, 0.5, directory, dice)
    for _ in range(plan.rounds):
        for target in dice.sample(targets, len(targets)):
            run = _one_round(target, plan, plan.round_s, directory, dice)
            runs[target.tier, target.source].append(run)
            steps.done(target.name)
    return runs


def _one_round(
    target: Target, plan: TierPlan, seconds: float, directory: Path, dice: random.Random
) -> OpenLoopRun:
    return run_once(
        OpenLoopPlan(
            call=target.served.call,
            nonce=target.nonce,
            rate_per_s=RATE_PER_S,
            seconds=seconds,
            connections=CONNECTIONS,
            seed=dice.randrange(1 << 30),
            distinct=plan.entries,
            cache_header=target.source,
            rests=True,
        ),
        directory,
    )
