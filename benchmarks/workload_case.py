"""Hit rates of two made-up workloads, through a running gateway, with a provider that counts.

How they are made is told beside the figures: a hit rate is mostly a statement about its workload.
"""

import http.client
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from rich.table import Table

from benchmarks import (
    embedding_server,
    gateway,
    minilm,
    processes,
    semantic_case,
    simulator,
    told_metrics,
)
from benchmarks.adaptive_records import Mean
from benchmarks.cache_records import AskedRun, WorkloadFigures, WorkloadRow
from benchmarks.gateway import ROOT, Gateway, Wants
from benchmarks.progress import Steps
from benchmarks.question_client import CALLS, Heard, ask_all
from benchmarks.question_mix import Asked, Kind, Mixed, Repeating, mixed, repeating
from benchmarks.records import Bar, Verdict
from benchmarks.workload import new_nonce
from headrace.cache.simulation.estimate import estimate

REPEATING = Repeating()
MIXED = Mixed()
REPEATING_CONNECTIONS = 8
REPEATING_ROW = "repeating"
EXACT_ROW = "mixed, exact only"
MEANING_ROW = "mixed, by meaning too"
# The simulated provider takes no time; a real one would, and meanwhile questions are embedded.
CALL_S = 0.05
BY_MEANING = "semantic"
EMBEDDER = "minilm"

REPEATING_HIT_POINTS_MIN = 85.0
REPEATING_FEWER_POINTS_MIN = 80.0
MIXED_HIT_POINTS_MIN = 35.0


def measure(seeds: Sequence[int], directory: Path, steps: Steps) -> WorkloadFigures:
    """Ask every workload of every seed.

    Args:
        seeds: of the workloads.
        directory: where children keep their files.
        steps: progress.

    Raises:
        ChildFailed: the simulated provider or a gateway did not start, or broke off.
    """
    steps.start("workloads", 3 * len(seeds))
    with ExitStack() as stack:
        provider = stack.enter_context(simulator.serving(directory))
        plain = stack.enter_context(gateway.serving("plain", directory, provider))
        asked = [repeating(REPEATING, seed) for seed in seeds]
        runs = _runs(REPEATING_ROW, plain, provider, asked, steps, REPEATING_CONNECTIONS)
        rows = [workload_row(REPEATING_ROW, REPEATING.made, runs)]
        pairs = [pair for pair in semantic_case.pairs() if pair.half == semantic_case.HELD_OUT]
        asked = [mixed(MIXED, pairs, seed) for seed in seeds]
        runs = _runs(EXACT_ROW, plain, provider, asked, steps)
        rows.append(workload_row(EXACT_ROW, MIXED.made, runs))
        try:
            embedder = stack.enter_context(_embedder(directory))
        except processes.ChildFailed as error:
            return WorkloadFigures(rows, [f"no answers by meaning without an embedder: {error}"])
        wise = stack.enter_context(
            gateway.serving("wise", directory, provider, wants=_by_meaning(embedder))
        )
        runs = _runs(MEANING_ROW, wise, provider, asked, steps, pause_s=CALL_S)
        row = workload_row(MEANING_ROW, MIXED.made, runs)
        rows.append(msgspec.structs.replace(row, void=row.void or _faults(wise)))
    return WorkloadFigures(rows)


def asked_run(asked: Sequence[Asked], heard: Sequence[Heard], upstream: int) -> AskedRun:
    """What came of one seed.

    Args:
        asked: the requests.
        heard: their answers.
        upstream: calls that the provider counted meanwhile.
    """
    by_kind: dict[str, tuple[int, int]] = {}
    answers: dict[str, str] = {}
    wrong = 0
    for one, answer in zip(asked, heard, strict=True):
        count, hits = by_kind.get(one.kind, (0, 0))
        by_kind[one.kind] = count + 1, hits + (answer.source not in CALLS)
        if answer.source in CALLS:
            answers[one.text] = answer.text
        elif answer.source == BY_MEANING:
            wrong += answers.get(one.meaning) != answer.text
    return AskedRun(
        requests=len(asked),
        answered_by=dict(Counter(answer.source for answer in heard)),
        upstream=upstream,
        by_kind=by_kind,
        wrong=wrong,
        errors=sum(answer.status != 200 for answer in heard),
    )


def workload_row(name: str, made: str, runs: Sequence[AskedRun]) -> WorkloadRow:
    """All seeds of one workload.

    Args:
        name: which.
        made: how it is made.
        runs: one for each seed.
    """
    return WorkloadRow(
        name=name,
        made=made,
        hit_points=_mean([100 * _hits(run) / run.requests for run in runs]),
        fewer_points=_mean([100 - 100 * run.upstream / run.requests for run in runs]),
        kinds={
            kind: _mean([100 * hits / count for count, hits in _of_kind(runs, kind)])
            for kind in Kind
            if _of_kind(runs, kind)
        },
        by_meaning=sum(run.answered_by.get(BY_MEANING, 0) for run in runs),
        wrong=sum(run.wrong for run in runs),
        void=void_reason(runs),
        runs=list(runs),
    )


def void_reason(runs: Sequence[AskedRun]) -> str | None:
    """Why the runs cannot be used: errors, or a count of hits that the provider's belies."""
    for run in runs:
        if run.errors:
            return f"{run.errors} of {run.requests} requests failed"
        if run.upstream != run.requests - _hits(run):
            return f"{_hits(run)} hits of {run.requests} requests, but {run.upstream} calls"
    return None


def bars(figures: WorkloadFigures | None) -> list[Bar]:
    """What is promised of hit rates; nothing where nothing was run."""
    if figures is None:
        return []
    rows = {row.name: row for row in figures.rows}
    row = rows[REPEATING_ROW]
    return [
        _bar("repeating workload, hits", row, row.hit_points, REPEATING_HIT_POINTS_MIN),
        _bar("repeating workload, fewer calls", row, row.fewer_points, REPEATING_FEWER_POINTS_MIN),
        _mixed_bar(rows.get(MEANING_ROW)),
    ]


def table(figures: WorkloadFigures) -> Table:
    """The rows for people."""
    seeds = len(figures.rows[0].runs)
    made = Table(
        title=f"Hits of made-up workloads, %, means with 95 % intervals over {seeds} seeds",
        title_justify="left",
    )
    for column in ("workload", "made of", "hits", "fewer calls", "hits by kind", "by meaning", ""):
        made.add_column(column)
    for row in figures.rows:
        kinds = "\n".join(f"{kind}: {_within(hits)}" for kind, hits in row.kinds.items())
        by_meaning = f"{row.by_meaning}, {row.wrong} wrong" if row.by_meaning else ""
        void = "" if row.void is None else f"[yellow]void: {row.void}[/]"
        figured = (_within(row.hit_points), _within(row.fewer_points), kinds, by_meaning, void)
        made.add_row(row.name, row.made, *figured)
    return made


def _runs(
    name: str,
    served: Gateway,
    provider: int,
    asked: Sequence[Sequence[Asked]],
    steps: Steps,
    connections: int = 1,
    pause_s: float = 0.0,
) -> list[AskedRun]:
    runs = []
    for one in asked:
        before = simulator.chats(provider)
        try:
            heard = ask_all(served.call, new_nonce(), one, connections, pause_s)
        except (OSError, http.client.HTTPException) as error:
            raise processes.ChildFailed(f"{name} broke off: {error!r}") from error
        runs.append(asked_run(one, heard, simulator.chats(provider) - before))
        steps.done(name)
    return runs


@contextmanager
def _embedder(directory: Path) -> Iterator[int]:
    """A real model behind `/v1/embeddings`; its port."""
    port, folder = processes.free_port(), minilm.fetched()
    command = [sys.executable, "-m", "benchmarks.embedding_server", "--port", str(port)]
    with processes.running(
        "embedder",
        [*command, "--model", str(folder)],
        directory,
        # With a core or two, the threads of a matrix product only wait for each other.
        environment={**gateway.environment(), "OPENBLAS_NUM_THREADS": "1"},
        working_directory=ROOT,
    ) as child:
        child.wait_ready(port, embedding_server.READY_PATH)
        yield port


def _by_meaning(embedder: int) -> Wants:
    provider = {"dialect": "openai", "base_url": f"http://127.0.0.1:{embedder}/v1"}
    # One core may be all there is for the model and everything else.
    semantic = {"enabled": True, "embedder": f"{EMBEDDER}/all-MiniLM-L6-v2"}
    return Wants(
        cache={"semantic": {**semantic, "embed_timeout_ms": 5000}}, providers={EMBEDDER: provider}
    )


def _faults(served: Gateway) -> str | None:
    page = told_metrics.read(served.port)
    faults = told_metrics.value(page, "headrace_semantic_lookups_total", outcome="fault")
    return f"the embedder failed {faults:.0f} times" if faults else None


def _hits(run: AskedRun) -> int:
    return sum(count for source, count in run.answered_by.items() if source not in CALLS)


def _of_kind(runs: Sequence[AskedRun], kind: Kind) -> list[tuple[int, int]]:
    return [run.by_kind[kind] for run in runs if kind in run.by_kind]


def _mean(points: Sequence[float]) -> Mean:
    found = estimate(points)
    return Mean(found.mean, found.low, found.high, found.samples)


def _within(mean: Mean) -> str:
    return f"{mean.mean:.1f} ({mean.low:.1f}-{mean.high:.1f})"


def _bar(name: str, row: WorkloadRow, points: Mean, least: float) -> Bar:
    promise = f">= {least:g} %"
    if row.void is not None:
        return Bar(name, promise, row.void, Verdict.VOID)
    kept = points.mean >= least
    return Bar(name, promise, f"{_within(points)} %", Verdict.PASS if kept else Verdict.MISS)


def _mixed_bar(row: WorkloadRow | None) -> Bar:
    name = "mixed workload with paraphrases, hits"
    if row is None:
        return Bar(name, f">= {MIXED_HIT_POINTS_MIN:g} %", "", Verdict.NOT_RUN)
    judged = _bar(name, row, row.hit_points, MIXED_HIT_POINTS_MIN)
    return Bar(
        judged.name,
        judged.promise,
        f"{judged.measured}; {row.wrong} of {row.by_meaning} by meaning wrong",
        judged.verdict,
    )
