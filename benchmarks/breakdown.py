"""Pure figures of the breakdown: parts per request, legs of a stream's beginning, turns."""

import itertools
from collections.abc import Mapping, Sequence

import msgspec

from benchmarks.ledger import OUTSIDE, between, without_overhead
from benchmarks.parts import part_names
from benchmarks.procfs import Scheduled
from benchmarks.ratios import quantile
from benchmarks.records import StreamRun
from benchmarks.stream_stamps import Stamps, Turn
from benchmarks.watched_gateway import PartsSeen

LOOP = "event loop and reads"
LOG_THREAD = "the log writer's thread"
SLOW_SHARE = 0.05
# Below this a part says nothing; all such parts together are one line.
SMALL_US = 0.15
SMALL = "parts below 0.15 µs"
LEGS = (
    "sent -> its turn reads it",
    "read -> planned",
    "planned -> opening a connection",
    "opening -> connected",
    "connected -> request written",
    "request written -> first bytes read",
    "first bytes read -> passed on",
    "passed on -> seen by the client",
)


class Times(msgspec.Struct, frozen=True):
    """CPU microseconds per request in one round of the watched gateway."""

    parts_us: dict[str, float]
    waiting_share: float

    @property
    def sum_us(self) -> float:
        """All parts together."""
        return sum(self.parts_us.values())


class Begun(msgspec.Struct, frozen=True):
    """How the streams of one round began; legs in the order of `LEGS`."""

    legs_ms: list[float]
    legs_slow_ms: list[float]
    ttft_p50_ms: float
    ttft_p99_ms: float
    turn_p50_ms: float
    turn_met_p50_ms: float
    turn_p99_ms: float
    callbacks_p99: float
    on_cpu_share: float
    waiting_share: float


def times_per_request(
    before: PartsSeen, after: PartsSeen, process_us: float, requests: int
) -> Times:
    """Divide what was accounted between two readings among the requests.

    Parts are timed by the clock on the wall, since reading a thread's CPU time costs ten times as
    much; what the loop's thread had to wait for a processor is taken out of all parts alike. The
    loop's own part is what is left of the thread's CPU time.

    Args:
        before: the first reading.
        after: the second.
        process_us: CPU microseconds of the whole process between them.
        requests: how many were answered.
    """
    entries = between(before.entries, after.entries)
    own_ns = without_overhead(entries, after.overhead)
    cpu_ns = after.scheduled.on_cpu_ns - before.scheduled.on_cpu_ns
    waited_ns = after.scheduled.waiting_ns - before.scheduled.waiting_ns
    on_cpu = cpu_ns / max(1, cpu_ns + waited_ns)
    parts_us = {
        part: ns * on_cpu / requests / 1000 for part, ns in own_ns.items() if part != OUTSIDE
    }
    timed_ns = sum(ns for part, ns in entries.times_ns.items() if part != OUTSIDE)
    entered = sum(each.calls for each in entries.passages if each.caller == OUTSIDE)
    loop_ns = cpu_ns - (timed_ns + entered * after.overhead.caller_ns) * on_cpu
    parts_us[LOOP] = max(0.0, loop_ns) / requests / 1000
    parts_us[LOG_THREAD] = max(0.0, process_us - cpu_ns / 1000) / requests
    return Times(parts_us, 1 - on_cpu)


def merged(rounds: Sequence[Times]) -> dict[str, list[float]]:
    """Microseconds of each part in each round, small parts as one."""
    figures = {
        name: [each.parts_us.get(name, 0.0) for each in rounds]
        for name in [*part_names(), LOOP, LOG_THREAD]
    }
    large = {name: values for name, values in figures.items() if max(values) >= SMALL_US}
    small = [values for name, values in figures.items() if name not in large]
    large[SMALL] = [sum(values) for values in zip(*small, strict=True)] if small else []
    return {name: values for name, values in large.items() if any(values)}


def begun(
    run: StreamRun,
    streams: Mapping[int, Stamps],
    turns: Sequence[Turn],
    moments: Sequence[Scheduled],
) -> Begun:
    """Put the client's and the gateway's times of one round together.

    Args:
        run: what the client saw.
        streams: the gateway's stamps by the stream's number.
        turns: the turns of its loop.
        moments: how its thread fared from the first request to the last.

    Raises:
        ValueError: not every stream began.
    """
    ways = []
    for number, (sent_s, ttft_ms) in enumerate(zip(run.sent_s, run.ttft_ms, strict=True)):
        stamps = streams.get(number)
        if sent_s is None or stamps is None or not stamps.passed_on_s:
            raise ValueError(f"stream {number} left no trace in the gateway")
        ways.append((ttft_ms, legs_ms(sent_s, stamps, sent_s + ttft_ms / 1000)))
    ways.sort(key=lambda way: way[0])
    slow = ways[-max(1, round(len(ways) * SLOW_SHARE)) :]
    began_s = min(sent_s for sent_s in run.sent_s if sent_s is not None)
    ended_s = max(stamps.passed_on_s for stamps in streams.values())
    seen = [turn for turn in turns if began_s <= turn.began_s <= ended_s]
    lengths_ms = [(turn.ended_s - turn.began_s) * 1000 for turn in seen]
    first, last = moments[0], moments[-1]
    window_ns = (last.at_s - first.at_s) * 1e9
    return Begun(
        legs_ms=_means([legs for _, legs in ways]),
        legs_slow_ms=_means([legs for _, legs in slow]),
        ttft_p50_ms=quantile(run.ttft_ms, 0.5),
        ttft_p99_ms=quantile(run.ttft_ms, 0.99),
        turn_p50_ms=quantile(lengths_ms, 0.5),
        turn_met_p50_ms=weighted_median(lengths_ms),
        turn_p99_ms=quantile(lengths_ms, 0.99),
        callbacks_p99=quantile([float(turn.callbacks) for turn in seen], 0.99),
        on_cpu_share=(last.on_cpu_ns - first.on_cpu_ns) / window_ns,
        waiting_share=(last.waiting_ns - first.waiting_ns) / window_ns,
    )


def legs_ms(sent_s: float, stamps: Stamps, seen_s: float) -> list[float]:
    """Milliseconds of each of `LEGS`; those of a connection are zero where one was idle."""
    opening_s = stamps.opening_s or stamps.planned_s
    points = [
        sent_s,
        stamps.read_s,
        stamps.planned_s,
        opening_s,
        stamps.connected_s or opening_s,
        stamps.written_s,
        stamps.first_s,
        stamps.passed_on_s,
        seen_s,
    ]
    return [(later - earlier) * 1000 for earlier, later in itertools.pairwise(points)]


def weighted_median(lengths: Sequence[float]) -> float:
    """The length above which half of all the time is spent: what somebody who comes meets.

    Raises:
        ValueError: there is none.
    """
    left = sum(lengths) / 2
    for length in sorted(lengths):
        left -= length
        if left <= 0:
            return length
    raise ValueError("a median needs a value")


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
