"""The promises about speed and size, and whether a run kept them."""

from collections.abc import Iterable, Sequence

from benchmarks.records import (
    Bar,
    Footprint,
    LoadRow,
    OpenLoopRow,
    Spread,
    StartUp,
    StreamRow,
    Verdict,
)

GATEWAY = "headrace"
YARDSTICK = "nginx"
HIT_ROW = "headrace hit"
MISS_ROW = "headrace miss"
STREAMS = 500
STREAMS_MANY = 1000

HIT_RATIO_MAX = 1.5
MISS_RATIO_MAX = 4.0
CHUNK_RATIO_MAX = 1.7
TTFT_ADDED_P99_MS_MAX = 5.0
HIT_P99_MS_MAX = 1.0
IDLE_RSS_MIB_MAX = 60.0
# A leak of a handful of bytes a request would pass no more than this over 100,000.
RSS_GROWTH_MIB_MAX = 2.0
IMPORT_S_MAX = 0.3


def judge(
    load: Sequence[LoadRow],
    streams: Sequence[StreamRow],
    open_loop: Sequence[OpenLoopRow],
    footprint: Footprint | None,
    start_up: StartUp | None,
) -> list[Bar]:
    """Hold what was measured against every bar; what was not measured is `not run`."""
    return [
        _load_bar("memory hit, CPU", HIT_ROW, "x nginx, aim 1.2", HIT_RATIO_MAX, load),
        _load_bar("miss, CPU", MISS_ROW, "x nginx, aim 3", MISS_RATIO_MAX, load),
        _chunk_bar(streams),
        _many_streams_bar(streams),
        _ttft_bar(streams),
        _open_loop_bar(open_loop),
        *_footprint_bars(footprint),
        _import_bar(start_up),
    ]


def at_most(
    name: str,
    figure: Spread | float | None,
    limit: float,
    unit: str,
    void: str | None = None,
    yardstick: Spread | None = None,
) -> Bar:
    """A bar that a figure, or a spread's median, has to stay at or below.

    Args:
        name: what is promised.
        figure: what was measured; `None` where it was not.
        limit: the most it may be.
        unit: of figure and limit.
        void: why the figure cannot be used.
        yardstick: the same figure of nginx. Where it is above the limit too, the machine is what
            was slow, and missing the bar says nothing.
    """
    promise = f"<= {limit:g} {unit}"
    if void is not None:
        return Bar(name, promise, void, Verdict.VOID)
    if figure is None:
        return Bar(name, promise, "", Verdict.NOT_RUN)
    value = figure.median if isinstance(figure, Spread) else figure
    shown = f"{value:.2f}"
    if isinstance(figure, Spread) and figure.rounds > 1:
        shown += f"  ({figure.low:.2f} - {figure.high:.2f})"
    if value <= limit:
        return Bar(name, promise, shown, Verdict.PASS)
    if yardstick is not None and yardstick.median > limit:
        return Bar(name, promise, f"{shown}, nginx {yardstick.median:.2f}", Verdict.VOID)
    return Bar(name, promise, shown, Verdict.MISS)


def _load_bar(name: str, row_name: str, unit: str, limit: float, rows: Iterable[LoadRow]) -> Bar:
    row = next((row for row in rows if row.name == row_name), None)
    if row is None:
        return at_most(name, None, limit, unit)
    return at_most(name, row.ratio, limit, unit, row.void)


def _stream_rows(rows: Iterable[StreamRow], streams: int, name: str = GATEWAY) -> list[StreamRow]:
    return [row for row in rows if row.name == name and row.streams == streams]


def _chunk_bar(rows: Sequence[StreamRow]) -> Bar:
    name, unit = f"stream chunk at {STREAMS}, CPU", "x nginx, aim 1.5"
    for row in _stream_rows(rows, STREAMS):
        if row.timed:
            return at_most(name, row.ratio, CHUNK_RATIO_MAX, unit, row.void)
    return at_most(name, None, CHUNK_RATIO_MAX, unit)


def _many_streams_bar(rows: Sequence[StreamRow]) -> Bar:
    name, promise = f"{STREAMS_MANY} streams, one worker", "no error"
    for row in _stream_rows(rows, STREAMS_MANY):
        open_max = min(run.streams_open_max for run in row.rounds)
        kept = row.errors == 0 and open_max >= STREAMS_MANY
        shown = f"{row.errors} errors, {open_max} open at once"
        return Bar(name, promise, shown, Verdict.PASS if kept else Verdict.MISS)
    return Bar(name, promise, "", Verdict.NOT_RUN)


def _ttft_bar(rows: Sequence[StreamRow]) -> Bar:
    # Of streams that begin one after the other. All at once, even nginx adds more than the bar:
    # the row is there to compare with nginx's.
    for row in _stream_rows(rows, STREAMS):
        if row.timed:
            name = f"added TTFT p99 at {row.streams}, begun {row.arrival}"
            beside = [one for one in _stream_rows(rows, STREAMS, YARDSTICK) if one.timed]
            return at_most(
                name,
                row.ttft_added_p99_ms,
                TTFT_ADDED_P99_MS_MAX,
                "ms",
                row.void,
                beside[0].ttft_added_p99_ms if beside else None,
            )
    return at_most(f"added TTFT p99 at {STREAMS}", None, TTFT_ADDED_P99_MS_MAX, "ms")


def _open_loop_bar(rows: Iterable[OpenLoopRow]) -> Bar:
    by_name = {row.name: row for row in rows}
    row, beside = by_name.get(HIT_ROW), by_name.get(YARDSTICK)
    return at_most(
        "memory hit p99, open loop",
        None if row is None else row.p99_ms,
        HIT_P99_MS_MAX,
        "ms",
        None if row is None else row.void,
        None if beside is None else beside.p99_ms,
    )


def _footprint_bars(footprint: Footprint | None) -> list[Bar]:
    if footprint is None:
        return [
            at_most("idle RSS", None, IDLE_RSS_MIB_MAX, "MiB"),
            at_most("RSS growth, cache full", None, RSS_GROWTH_MIB_MAX, "MiB"),
        ]
    growth_mib = footprint.flat_rss_mib[-1] - footprint.flat_rss_mib[0]
    void = f"{footprint.flat_errors} requests failed" if footprint.flat_errors else None
    name = f"RSS growth over {footprint.flat_requests:,} requests, cache full"
    return [
        at_most("idle RSS", footprint.idle_rss_mib, IDLE_RSS_MIB_MAX, "MiB"),
        at_most(name, growth_mib, RSS_GROWTH_MIB_MAX, "MiB", void),
    ]


def _import_bar(start_up: StartUp | None) -> Bar:
    measured = None if start_up is None else start_up.import_added_s
    return at_most("import headrace", measured, IMPORT_S_MAX, "s")
