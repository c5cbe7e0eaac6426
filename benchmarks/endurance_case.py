"""Caches at their bound for long: what they hold, by two counts, and what their processes take.

Every cache has a process of its own; all work at the same time, each at a steady rate that leaves
most of a core free. So a minute takes a minute, however many caches there are.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from benchmarks import endurance_caches, gateway, processes
from benchmarks.bars import at_most
from benchmarks.cache_records import EnduranceRun, EnduranceSample, EnduranceTotals
from benchmarks.endurance_run import SAMPLES, SECONDS_FACTOR_MAX, EndurancePlan
from benchmarks.gateway import ROOT
from benchmarks.progress import Steps
from benchmarks.ratios import spread
from benchmarks.records import Bar
from headrace.bench.statistics.slopes import slope

OPERATIONS_PER_MINUTE = 1_000_000
MINUTES, MINUTES_QUICK = 10.0, 0.2
BYTES_MAX = 64 << 20
# Until then memory fills, and the allocator finds its shape.
WARM_UP_SHARE = 0.25
# An allocator goes on finding its shape for a while after memory has filled.
RSS_SECONDS_MIN = 300.0
POLL_S = 0.5
GRACE_S = 30.0

OVER_POINTS_MAX = 2.0
RSS_GROWTH_POINTS_MAX = 2.0


class Worker(msgspec.Struct, frozen=True):
    """A cache at work."""

    plan: EndurancePlan
    child: processes.Child
    output: Path


def measure(minutes: float, seed: int, directory: Path, steps: Steps) -> list[EnduranceRun]:
    """Let every cache work.

    Args:
        minutes: how long.
        seed: of the keys, the same for all.
        directory: where children keep their files.
        steps: progress.

    Raises:
        ChildFailed: a cache broke down, or did not come to an end.
    """
    steps.start(f"endurance, {minutes:g} minutes", SAMPLES)
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(name, minutes, seed, directory))
            for name in endurance_caches.contenders()
        ]
        _wait(workers, minutes, steps)
        return [endurance_run(worker.plan, *_told(worker)) for worker in workers]


def endurance_run(
    plan: EndurancePlan, samples: Sequence[EnduranceSample], totals: EnduranceTotals
) -> EnduranceRun:
    """What one cache came to.

    Args:
        plan: what it was to do.
        samples: in their order.
        totals: of the whole run.

    Raises:
        ChildFailed: it came to no sample after its warm-up.
    """
    warm = [one for one in samples if one.operations >= WARM_UP_SHARE * plan.operations]
    if not warm:
        raise processes.ChildFailed(f"{plan.name}: {totals.operations:,} operations are too few")
    point = plan.bytes_max / 100
    rss = spread([one.rss_bytes / (1 << 20) for one in warm])
    rise = slope(
        [one.operations / 1e6 for one in warm], [one.rss_bytes / (1 << 20) for one in warm]
    )
    per_million = rise.value if rise else 0.0
    millions = (warm[-1].operations - warm[0].operations) / 1e6
    return EnduranceRun(
        name=plan.name,
        bytes_max=plan.bytes_max,
        operations=plan.operations,
        totals=totals,
        over_points=max(totals.bytes_held_max, totals.bytes_counted_max) / point - 100,
        apart_points=max(abs(one.bytes_held - one.bytes_counted) for one in samples) / point,
        filled_points=min(one.bytes_held for one in warm) / point,
        rss_mib=rss,
        rss_growth_points=100 * per_million * millions / rss.median,
        rss_mib_per_million=per_million,
        samples=list(samples),
    )


def void_reason(run: EnduranceRun) -> str | None:
    """Why a run cannot be used: wrong values, too few operations, nothing that left."""
    totals = run.totals
    if totals.wrong:
        return f"{totals.wrong} wrong values"
    if totals.operations < run.operations:
        return f"{totals.operations:,} of {run.operations:,} operations in {totals.seconds:.0f} s"
    if not totals.evicted or not totals.expired:
        return f"{totals.evicted} evicted, {totals.expired} expired"
    return None


def bars(runs: Sequence[EnduranceRun]) -> list[Bar]:
    """What is promised of the bound and of memory, at the worst of all; nothing without a run."""
    if not runs:
        return []
    voids = [(run.name, void_reason(run)) for run in runs]
    void = next((f"{name}: {why}" for name, why in voids if why is not None), None)
    held = f"{runs[0].operations / 1e6:g} million operations on keys"
    points = "% of the bound"
    return [
        at_most(f"{held}: over", max(r.over_points for r in runs), OVER_POINTS_MAX, points, void),
        at_most(
            f"{held}: two counts apart",
            max(run.apart_points for run in runs),
            OVER_POINTS_MAX,
            points,
            void,
        ),
        at_most(
            f"{held}: RSS growth",
            max(run.rss_growth_points for run in runs),
            RSS_GROWTH_POINTS_MAX,
            "% after the first quarter",
            void or _too_short(runs[0]),
        ),
    ]


def operations_in(minutes: float) -> int:
    """Operations on keys that every cache is to do in so many minutes."""
    return round(minutes * OPERATIONS_PER_MINUTE)


def _too_short(run: EnduranceRun) -> str | None:
    short = run.totals.seconds < RSS_SECONDS_MIN
    return f"{run.totals.seconds:.0f} s are too short to tell" if short else None


def table(runs: Sequence[EnduranceRun]) -> Table:
    """The runs for people."""
    totals = runs[0].totals
    made = Table(
        title=f"At the bound of {runs[0].bytes_max >> 20} MiB for {totals.seconds:.0f} s, "
        "% of the bound; after the first quarter but for the most held",
        title_justify="left",
    )
    made.add_column("cache")
    for column in (
        "operations", "hits", "evicted", "expired", "wrong", "most held", "least held",
        "counts apart", "RSS MiB", "RSS growth", "MiB per million",
    ):  # fmt: skip
        made.add_column(column, justify="right")
    for run in runs:
        totals, rss = run.totals, run.rss_mib
        made.add_row(
            run.name,
            f"{totals.operations:,}",
            f"{totals.hits:,}",
            f"{totals.evicted:,}",
            f"{totals.expired:,}",
            f"{totals.wrong:,}",
            f"{100 + run.over_points:.3f} %",
            f"{run.filled_points:.1f} %",
            f"{run.apart_points:.3f} %",
            f"{rss.median:.1f} ({rss.low:.1f}-{rss.high:.1f})",
            f"{run.rss_growth_points:+.2f} %",
            f"{run.rss_mib_per_million:+.3f}",
        )
    return made


@contextlib.contextmanager
def _worker(name: str, minutes: float, seed: int, directory: Path) -> Iterator[Worker]:
    plan = EndurancePlan(name, BYTES_MAX, operations_in(minutes), minutes * 60, seed)
    slug = name.replace(" ", "-").replace(",", "")
    written = directory / f"{slug}.json"
    written.write_bytes(msgspec.json.encode(plan))
    with processes.running(
        slug,
        [sys.executable, "-m", "benchmarks.endurance_run", str(written)],
        directory,
        environment=gateway.environment(),
        working_directory=ROOT,
    ) as child:
        yield Worker(plan, child, directory / f"{slug}.out")


def _wait(workers: Sequence[Worker], minutes: float, steps: Steps) -> None:
    deadline_s = time.monotonic() + minutes * 60 * SECONDS_FACTOR_MAX + GRACE_S
    shown = 0
    while any(worker.child.alive for worker in workers):
        if time.monotonic() > deadline_s:
            raise processes.ChildFailed("a cache does not come to an end")
        time.sleep(POLL_S)
        slowest = min(worker.output.read_bytes().count(b"\n") for worker in workers)
        for _ in range(min(slowest, SAMPLES) - shown):
            steps.done(f"sample of {len(workers)} caches")
        shown = max(shown, min(slowest, SAMPLES))


def _told(worker: Worker) -> tuple[list[EnduranceSample], EnduranceTotals]:
    *samples, totals = worker.output.read_bytes().splitlines() or [b""]
    try:
        return (
            [msgspec.json.decode(line, type=EnduranceSample) for line in samples],
            msgspec.json.decode(totals, type=EnduranceTotals),
        )
    except msgspec.MsgspecError as error:
        raise processes.ChildFailed(
            f"{worker.plan.name} broke down:\n{worker.child.tail()}"
        ) from error
