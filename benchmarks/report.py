"""A run as tables on the terminal and as a JSON file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import adaptive_report, endurance_case, semantic_case, workload_case
from benchmarks.cache_records import TierRow
from benchmarks.records import (
    Bar,
    BeginRow,
    Breakdown,
    Footprint,
    Interval,
    LoadRow,
    OpenLoopRow,
    PolicyRow,
    Spread,
    StartUp,
    StreamRow,
    ToolkitRow,
    Verdict,
)
from benchmarks.run_record import Report

COLUMNS_PIPED = 170
COLOURS = {
    Verdict.PASS: "green",
    Verdict.MISS: "red",
    Verdict.VOID: "yellow",
    Verdict.NOT_RUN: "dim",
}


def write(report: Report, path: Path) -> None:
    """Write the run as indented JSON, making the folder where needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def wide_console() -> Console:
    """Standard output, wide enough for the tables where it is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=COLUMNS_PIPED)


def show(report: Report, console: Console) -> None:
    """Print every section that was run."""
    machine = report.environment
    console.print(
        f"{machine.processor}, {machine.cores} cores, Linux {machine.kernel}, "
        f"Python {machine.python}, nginx {machine.nginx}, {machine.wrk}, "
        f"commit {machine.commit}, seed {report.seed}, load {machine.load_average:.1f} at start",
        style="dim",
    )
    for table in _tables(report):
        console.print(table)
    for note in report.notes:
        console.print(f"note: {note}", style="yellow", markup=False)


def _tables(report: Report) -> Iterator[Table]:
    if report.load:
        yield _load_table(report.load)
    if report.streams:
        yield _stream_table(report.streams)
    if report.open_loop:
        yield _open_loop_table(report.open_loop)
    if report.footprint is not None or report.start_up is not None:
        yield _footprint_table(report.footprint, report.start_up)
    if report.breakdown is not None:
        yield from _breakdown_tables(report.breakdown)
    if report.policies:
        yield _policy_table(report.policies)
    if report.adaptive is not None:
        yield from adaptive_report.tables(report.adaptive)
    if report.semantic is not None:
        yield semantic_case.table(report.semantic)
    yield from _cache_tables(report)
    yield from _toolkit_tables(report.toolkit)
    if report.bars:
        yield _bar_table(report.bars)


def _cache_tables(report: Report) -> Iterator[Table]:
    if report.tiers:
        yield _tier_table(report.tiers)
    if report.workload is not None:
        yield workload_case.table(report.workload)
    if report.endurance:
        yield endurance_case.table(report.endurance)
    if report.everything:
        yield _load_table(report.everything)


def _load_table(rows: Sequence[LoadRow]) -> Table:
    table = _table(
        "Closed loop, kept-alive connections, medians (range) over rounds",
        "target|CPU µs/request|x nginx|requests/s|RSS MiB|errors|",
    )
    for row in rows:
        table.add_row(
            row.name,
            _shown(row.cpu_us, 1),
            _shown(row.ratio, 2),
            f"{row.rate_per_s.median:,.0f}",
            f"{row.rss_mib:.0f}",
            str(row.errors),
            _void(row.void),
        )
    return table


def _stream_table(rows: Sequence[StreamRow]) -> Table:
    table = _table(
        "Streams, medians (range) over rounds; added = less the direct run of the round",
        "target|streams|begun|CPU µs/chunk|x nginx|chunks/read|TTFT p99 ms|added p50|added p99"
        "|RSS MiB|errors|",
    )
    for row in rows:
        table.add_row(
            row.name,
            f"{row.streams:,}",
            row.arrival,
            _shown(row.cpu_us, 1),
            _shown(row.ratio, 2),
            _shown(row.chunks_per_read, 2),
            _shown(row.ttft_p99_ms, 1),
            _shown(row.ttft_added_p50_ms, 2),
            _shown(row.ttft_added_p99_ms, 1),
            f"{row.rss_mib:.0f}",
            str(row.errors),
            _void(row.void),
        )
    return table


def _open_loop_table(rows: Sequence[OpenLoopRow]) -> Table:
    table = _table(
        "Open loop: latency from the intended send time, ms",
        "target|requests/s|p50|p99|p99.9|schedule lag p99|errors|",
    )
    for row in rows:
        table.add_row(
            row.name,
            f"{row.rate_per_s:,.0f}",
            _shown(row.p50_ms, 3),
            _shown(row.p99_ms, 3),
            _shown(row.p999_ms, 3),
            _shown(row.lag_p99_ms, 3),
            str(row.errors),
            _void(row.void),
        )
    return table


def _tier_table(rows: Sequence[TierRow]) -> Table:
    table = _table(
        f"Hits below memory at {rows[0].rate_per_s:g}/s, ms from the intended send time, medians "
        "(range) over rounds; added = less memory's of the round",
        "tier|answer bytes|memory p50|p50|added p50|memory p99|p99|added p99|",
    )
    for row in rows:
        table.add_row(
            row.tier,
            f"{row.answer_bytes:,}",
            _shown(row.memory_p50_ms, 2),
            _shown(row.p50_ms, 2),
            _shown(row.added_p50_ms, 2),
            _shown(row.memory_p99_ms, 2),
            _shown(row.p99_ms, 2),
            _shown(row.added_p99_ms, 2),
            _void(row.void),
        )
    return table


def _footprint_table(footprint: Footprint | None, start_up: StartUp | None) -> Table:
    table = _table("Memory and start-up", "what|measured")
    if footprint is not None:
        table.add_row(
            "idle RSS (PSS)", f"{footprint.idle_rss_mib:.1f} ({footprint.idle_pss_mib:.1f}) MiB"
        )
        readings = " > ".join(f"{rss_mib:.1f}" for rss_mib in footprint.flat_rss_mib)
        table.add_row(
            f"RSS at 0, 25 ... 100 % of {footprint.flat_requests:,} requests, cache full",
            f"{readings} MiB",
        )
    if start_up is not None:
        table.add_row("bare python", f"{_shown(start_up.bare_python_s, 3)} s")
        table.add_row("import headrace", f"{_shown(start_up.import_s, 3)} s")
        table.add_row("headrace --help", f"{_shown(start_up.help_s, 3)} s")
    return table


def _breakdown_tables(breakdown: Breakdown) -> Iterator[Table]:
    for cost in breakdown.costs:
        table = _table(
            f"What a {cost.name} is made of, CPU µs per request, medians (range) over rounds",
            "part|CPU µs|",
        )
        for part in cost.parts:
            table.add_row(part.name, _shown(part.figure, 1))
        for name, figure in (
            ("sum of the parts", cost.parts_sum_us),
            ("measured without watching", cost.measured_us),
            ("unexplained rest", cost.rest_us),
            ("measured while watching", cost.watched_us),
            ("a bare server on this loop: one read, one write", breakdown.bare_us),
            ("the same, its client given time to fall asleep", breakdown.woken_us),
        ):
            table.add_row(f"[bold]{name}[/]", _shown(figure, 1), _void(cost.void))
        table.add_row("watched loop waiting for a processor, share", _shown(cost.waiting_share, 2))
        yield table
    yield _begin_table(breakdown.begins)


def _begin_table(rows: Sequence[BeginRow]) -> Table:
    table = Table(
        title=f"Streams that begin ({rows[0].streams} over 2 s), ms, medians (range) over rounds",
        title_justify="left",
    )
    table.add_column("mean of a leg; connections:")
    for row in rows:
        for of in ("all", "slowest 5 %"):
            table.add_column(f"{row.name}: {of}", justify="right")
    for number, leg in enumerate(rows[0].legs_ms):
        figures = [legs[number].figure for row in rows for legs in (row.legs_ms, row.legs_slow_ms)]
        table.add_row(leg.name, *(_shown(figure, 2) for figure in figures))
    for name, read, digits in _BEGIN_LINES:
        cells = [cell for row in rows for cell in (_shown(read(row), digits), "")]
        table.add_row(f"[bold]{name}[/]", *cells)
    return table


_BEGIN_LINES: tuple[tuple[str, Callable[[BeginRow], Spread], int], ...] = (
    ("TTFT p50", lambda row: row.ttft_p50_ms, 2),
    ("TTFT p99", lambda row: row.ttft_p99_ms, 1),
    ("turn of the loop p50", lambda row: row.turn_p50_ms, 2),
    ("turn met by who comes, p50", lambda row: row.turn_met_p50_ms, 2),
    ("turn p99", lambda row: row.turn_p99_ms, 2),
    ("callbacks in a turn p99", lambda row: row.callbacks_p99, 0),
    ("loop's thread on a processor, share", lambda row: row.on_cpu_share, 2),
    ("waiting for one, share", lambda row: row.waiting_share, 2),
)


def _policy_table(rows: Sequence[PolicyRow]) -> Table:
    seeds = rows[0].saved_points.samples
    table = _table(
        f"Eviction policies, %, means with 95 % intervals over {seeds} seeds",
        "setting|policy|hits|dollars saved|above LRU|below the best single policy",
    )
    for row in rows:
        table.add_row(
            row.setting,
            row.policy,
            _within(row.hit_points),
            _within(row.saved_points),
            _within(row.above_lru_points),
            f"{_within(row.below_best_points)}, worst seed {row.below_best_points.worst:.2f}",
            end_section=row is rows[-1] or row.policy == "bound",
        )
    return table


def _within(interval: Interval) -> str:
    return f"{interval.mean:.2f} ({interval.low:.2f}-{interval.high:.2f})"


def _toolkit_tables(rows: Sequence[ToolkitRow]) -> Iterator[Table]:
    for operation in dict.fromkeys(row.operation for row in rows):
        table = _table(f"Toolkit, {operation}: medians (range) over rounds", "cache|µs|x headrace")
        same = [row for row in rows if row.operation == operation]
        for row in sorted(same, key=lambda row: row.us.median):
            table.add_row(row.name, _shown(row.us, 2), _shown(row.against, 2))
        yield table


def _bar_table(bars: Sequence[Bar]) -> Table:
    table = _table("Bars", "what|promise|measured|verdict")
    for bar in bars:
        colour = COLOURS[bar.verdict]
        table.add_row(bar.name, bar.promise, bar.measured, f"[{colour}]{bar.verdict}[/]")
    return table


def _table(title: str, columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns.split("|")):
        table.add_column(column, justify="left" if number == 0 or not column else "right")
    return table


def _shown(figure: Spread | None, digits: int) -> str:
    if figure is None:
        return ""
    median = f"{figure.median:.{digits}f}"
    if figure.rounds == 1:
        return median
    return f"{median} ({figure.low:.{digits}f}-{figure.high:.{digits}f})"


def _void(reason: str | None) -> str:
    return "" if reason is None else f"[yellow]void: {reason}[/]"
