"""What it costs a hit that its stages are looked at: in process, interleaved.

    python -m benchmarks.prompt.stage_watch

Books are kept of hits as the gateway keeps them, once without declared times, once with times that
are never exceeded, in rounds that take turns, so that whatever else the machine does meets both.
The difference is the median of those of the rounds, with an interval by bootstrap.
"""

import random
import statistics
import sys
import time
from collections.abc import Sequence

from headrace.clock import SystemClock
from headrace.observe.access_log import AccessLine
from headrace.observe.cells import Cells
from headrace.observe.event_log import EventLog
from headrace.observe.layout import Layout
from headrace.observe.log_writer import LogWriter
from headrace.observe.metrics import Metrics
from headrace.observe.sinks import StreamSink
from headrace.server.books import Books
from headrace.server.stage_watch import make_stage_watch
from headrace.settings.stages import StageSettings

ROUNDS = 400
HITS = 320
RESAMPLES = 2000
# CPU of a whole hit, of which the difference is a share: docs/performance.md has the measurement.
HIT_US = 16.0
SHARE_MAX = 0.01


def round_us(books: Books) -> float:
    """Microseconds that it takes to keep the books of one hit."""
    lines = [line() for _ in range(HITS)]
    began_s = time.perf_counter()
    for each in lines:
        books.note(each, ("look_up",), (0.016,))
    books.balance()
    return (time.perf_counter() - began_s) / HITS * 1e6


def line() -> AccessLine:
    """A hit."""
    return AccessLine(
        time=1.0,
        request_id="0-1",
        method="POST",
        path="/v1/chat/completions",
        route="chat",
        status=200,
        tenant="t",
        key_name="k",
        client="127.0.0.1",
        cache="l1",
        duration_ms=0.016,
        ttfb_ms=0.016,
    )


def interval(differences: Sequence[float], seed: int) -> tuple[float, float]:
    """95 % of the medians that the rounds, drawn anew, would have had."""
    draw = random.Random(seed)
    medians = sorted(
        statistics.median(draw.choices(differences, k=len(differences))) for _ in range(RESAMPLES)
    )
    return medians[RESAMPLES // 40], medians[-RESAMPLES // 40]


def main() -> int:
    """Print the figures; the status is 1 where looking costs more than it may."""
    clock, layout = SystemClock(), Layout()
    cells = Cells(layout.size)
    metrics = Metrics(layout, cells.row(), cells.slots, clock)
    dropped, errors = metrics.log_lines_dropped, metrics.log_write_errors
    events = EventLog(LogWriter(StreamSink(2)), "json", clock, dropped=dropped, write_errors=errors)
    plain, watched = Books(metrics, None, clock), Books(metrics, None, clock)
    watched.watch = make_stage_watch(StageSettings(look_up_ms=1000, route_ms=1000), metrics, events)
    round_us(plain), round_us(watched)
    rounds = []
    for number in range(ROUNDS):
        if number % 2:
            off_us, on_us = round_us(plain), round_us(watched)
        else:
            on_us, off_us = round_us(watched), round_us(plain)
        rounds.append((off_us, on_us))
    events.close()
    differences = [on_us - off_us for off_us, on_us in rounds]
    low_us, high_us = interval(differences, seed=1)
    median_us = statistics.median(differences)
    off_us = statistics.median(off for off, _ in rounds)
    print(f"books of a hit, nothing declared: {off_us:.2f} us")
    print(f"with declared times: {median_us:+.3f} us ({low_us:+.3f} to {high_us:+.3f})")
    print(f"of a hit of {HIT_US:g} us: {median_us / HIT_US:+.2%}, bar {SHARE_MAX:.0%}")
    return 0 if low_us / HIT_US <= SHARE_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
