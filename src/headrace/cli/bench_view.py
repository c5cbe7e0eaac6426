"""What `headrace bench` shows: how a run goes, and what it came to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from headrace.bench.load.plan import Plan
from headrace.bench.load.summary import Quantiles
from headrace.bench.phases.run import Now
from headrace.bench.records import PhaseRecord, RunRecord, Verdict

_LOG_WIDTH: Final = 120
_NARROW: Final = ("phase", "sent", "failed", "ok/s", "good/s", "hits", "p50", "p95", "p99", "max")
HEADS: Final = (*_NARROW, "TTFT p50", "TTFT p95", "TPOT p50", "lag p99")
"""What `cells` tells of a phase."""


def make_console() -> Console:
    """Where everything goes that is not a file."""
    console = Console(highlight=False)
    # A table in a file or a log is read with more room than where it was written.
    return console if console.is_terminal else Console(highlight=False, width=_LOG_WIDTH)


@contextmanager
def live(console: Console, plan: Plan) -> Iterator[Callable[[Now], None]]:
    """A line that moves while a run does; on what is no terminal, a line for each phase.

    Args:
        console: where.
        plan: what runs.

    Yields:
        What is to be told how it goes.
    """
    if not console.is_terminal:
        yield _phase_by_phase(console, plan)
        return
    with Live(Text("starting"), console=console, refresh_per_second=8, transient=True) as line:
        yield lambda now: line.update(Text(line_of(plan, now)))


def _phase_by_phase(console: Console, plan: Plan) -> Callable[[Now], None]:
    """Tells of each phase when it begins."""
    begun: set[int] = set()

    def tell(now: Now) -> None:
        if 0 <= now.phase < len(plan.phases) and now.phase not in begun:
            begun.add(now.phase)
            phase = plan.phases[now.phase]
            place = f"{now.phase + 1} of {len(plan.phases)}"
            console.print(f"{phase.name} ({place}) takes {phase.seconds:g} s", markup=False)

    return tell


def line_of(plan: Plan, now: Now) -> str:
    """How it goes, in a line."""
    if now.phase < 0:
        return "starting"
    if now.phase >= len(plan.phases):
        return f"waiting for {now.in_flight} answers"
    phase = plan.phases[now.phase]
    return (
        f"{phase.name} ({now.phase + 1} of {len(plan.phases)})  "
        f"{now.elapsed_s:.0f} of {plan.seconds:.0f} s  sent {now.sent:,}  failed {now.failed:,}  "
        f"in flight {now.in_flight:,}  p50 {ms(now.p50_ms)}  p95 {ms(now.p95_ms)}  "
        f"lag {ms(now.lag_ms)}"
    )


def show(console: Console, record: RunRecord) -> None:
    """What a run came to: a table, then what has to be said of it."""
    console.print(_figures(record))
    verdicts = [(phase, verdict) for phase in record.phases for verdict in phase.verdicts]
    if verdicts:
        console.print(_verdicts(verdicts))
    for phase in record.phases:
        for note in phase.notes:
            console.print(f"{phase.phase.name}: {note}", markup=False)
        for detail, count in phase.summary.details.items():
            console.print(f"{phase.phase.name}: {count:,} x {detail}", markup=False)
    if any(each.summary.good_per_s > each.summary.throughput_per_s for each in record.phases):
        console.print("good/s is for each second of the schedule, ok/s runs on to the last answer.")
    if record.phases and not is_any_good(record):
        console.print("Nothing was good: not one request was answered as it should be.")
    if record.status != "whole":
        console.print(f"The run is not whole: {record.status}.", markup=False)
    if record.void:
        console.print(
            f"VOID, use none of it: {record.void}. --spin makes the client exact; more --workers "
            "or a quieter machine help too.",
            markup=False,
        )


def is_any_good(record: RunRecord) -> bool:
    """Whether at least one request of all phases was good."""
    return any(phase.summary.good_share > 0 for phase in record.phases)


def _figures(record: RunRecord) -> Table:
    drawn = f"seed {record.seed}" + (f", nonce {record.nonce}" if record.nonce else "")
    table = Table(title=f"{record.name} on {record.target}, {drawn}; times in ms")
    for name in HEADS:
        is_first = name == HEADS[0]
        table.add_column(name, justify="left" if is_first else "right", no_wrap=name in _NARROW)
    for phase in record.phases:
        table.add_row(*cells(phase))
    return table


def cells(phase: PhaseRecord) -> tuple[str, ...]:
    """What became of a phase, a cell for each of `HEADS`; times in milliseconds."""
    summary = phase.summary
    e2e: Quantiles = summary.e2e
    return (
        phase.phase.name,
        f"{summary.requests:,}",
        f"{summary.failed_share:.2%}",
        f"{summary.throughput_per_s:,.1f}",
        f"{summary.good_per_s:,.1f}",
        "-" if summary.hit_share is None else f"{summary.hit_share:.0%}",
        *(_short(value) for value in (e2e.p50_ms, e2e.p95_ms, e2e.p99_ms, e2e.max_ms)),
        _short(summary.ttft.p50_ms),
        _short(summary.ttft.p95_ms),
        _short(summary.tpot.p50_ms),
        _short(summary.lag.p99_ms),
    )


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _verdicts(verdicts: list[tuple[PhaseRecord, Verdict]]) -> Table:
    table = Table()
    table.add_column("phase")
    table.add_column("has to keep")
    table.add_column("limit", justify="right")
    table.add_column("measured", justify="right")
    table.add_column("verdict")
    for phase, verdict in verdicts:
        words = {True: "kept", False: "BROKEN", None: "not known"}[verdict.is_kept]
        measured = "-" if verdict.measured is None else f"{verdict.measured:.4g}"
        note = f"{words}: {verdict.note}" if verdict.note else words
        table.add_row(phase.phase.name, verdict.name, f"{verdict.limit:.4g}", measured, Text(note))
    return table


def ms(value: float | None) -> str:
    """Milliseconds, as precise as anybody reads them."""
    return "-" if value is None else f"{_short(value)} ms"
