"""The adaptive case as tables."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from benchmarks.adaptive_records import (
    AdaptiveRow,
    AdaptiveRun,
    Against,
    FrontierRow,
    Mean,
    PrefetchRow,
    Ratio,
    ReuseRow,
    StampedeRow,
)


def tables(run: AdaptiveRun) -> Iterator[Table]:
    """Every section, setting by setting."""
    for setting in dict.fromkeys(row.setting for row in run.rows):
        yield _frontier_table(setting, [row for row in run.frontier if row.setting == setting])
        yield _engine_table(setting, [row for row in run.rows if row.setting == setting])
    yield _reuse_table(run.reuse)
    yield _calibration_table(run.reuse[0])
    if run.prefetch:
        yield _prefetch_table(run.prefetch)
    yield _stampede_table(run.stampede)


def _frontier_table(setting: str, rows: Sequence[FrontierRow]) -> Table:
    table = _table(
        f"Fixed lifetime and LRU, {setting}: means (95 % interval) over seeds",
        "lifetime s|hits %|stale % of hits|p50 s|mean s|dollars",
    )
    for row in rows:
        table.add_row(
            f"{row.ttl_s:,.0f}" if row.ttl_s < 1e8 else "for ever",
            _mean(row.hit_points, 1),
            _mean(row.stale_points, 2),
            _mean(row.p50_s, 2),
            _mean(row.mean_s, 2),
            _mean(row.usd, 0),
        )
    return table


def _engine_table(setting: str, rows: Sequence[AdaptiveRow]) -> Table:
    table = _table(
        f"Adaptive engine, {setting}: % difference (95 % interval) to LRU with the default"
        " lifetime, and with one that is as often stale",
        "what works|hits %|stale %|behind %|p50|mean|dollars|as stale: p50|mean|dollars|lifetime s",
    )
    for row in rows:
        equal = f"{row.equal_ttl_s:,.0f}" if row.equal_ttl_s < 1e8 else "for ever"
        table.add_row(
            row.engine,
            _mean(row.hit_points, 1),
            _mean(row.stale_points, 2),
            _mean(row.behind_points, 1),
            *_against(row.against_default),
            *_against(row.against_equal),
            equal,
        )
    return table


def _reuse_table(rows: Sequence[ReuseRow]) -> Table:
    table = _table(
        "Used again before it expires: running log-loss at the end, whole engine",
        "setting|per category|mean interval|learned|learned less the better baseline|answers",
    )
    for row in rows:
        answering = ", ".join(f"{name} {times}" for name, times in row.answering.items())
        table.add_row(
            row.setting,
            *(_mean(loss, 4) for loss in row.log_losses.values()),
            _mean(row.learned_below_best, 4),
            answering,
        )
    return table


def _calibration_table(row: ReuseRow) -> Table:
    table = _table(
        f"Calibration of what is learned, {row.setting}, all seeds together",
        "predicted, from|mean|used|predictions",
    )
    for low, predicted, observed, count in row.calibration:
        table.add_row(f"{low:.1f}", f"{predicted:.3f}", f"{observed:.3f}", f"{count:,.0f}")
    return table


def _prefetch_table(rows: Sequence[PrefetchRow]) -> Table:
    table = _table(
        "Prefetching on top of the whole engine, per seed",
        "setting|prefetched|wasted %|dollars|hours of waiting saved",
    )
    for row in rows:
        table.add_row(
            row.setting,
            _mean(row.planned, 0),
            _mean(row.wasted_points, 1),
            _mean(row.spent_usd, 2),
            _mean(row.hours_saved, 1),
        )
    return table


def _stampede_table(rows: Sequence[StampedeRow]) -> Table:
    table = _table(
        "One hot key, 4 processes, 20 requests/s, a call takes 3 s, a life 60 s, one hour",
        "how its end is met|calls for each end|calls|waited %|stale %",
    )
    for row in rows:
        table.add_row(
            row.manner,
            _mean(row.calls_per_end, 2),
            _mean(row.calls, 0),
            _mean(row.waited_points, 2),
            _mean(row.stale_points, 2),
        )
    return table


def _against(against: Against) -> Iterator[str]:
    for ratio in (against.p50, against.mean, against.usd):
        yield _change(ratio)


def _change(ratio: Ratio) -> str:
    return f"{_percent(ratio.mean)} ({_percent(ratio.low)} to {_percent(ratio.high)})"


def _percent(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f}"


def _mean(mean: Mean, digits: int) -> str:
    shown = f"{mean.mean:,.{digits}f}"
    if mean.samples == 1:
        return shown
    return f"{shown} ({mean.low:,.{digits}f}-{mean.high:,.{digits}f})"


def _table(title: str, columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns.split("|")):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table
