"""The figures of the breakdown, and that what it watches is still there."""

import importlib
import itertools
from functools import reduce

import pytest
from benchmarks.breakdown import (
    LEGS,
    LOG_THREAD,
    LOOP,
    SMALL,
    Times,
    begun,
    legs_ms,
    merged,
    times_per_request,
    weighted_median,
)
from benchmarks.ledger import (
    OUTSIDE,
    Entries,
    Ledger,
    Overhead,
    Passage,
    between,
    overhead_ns,
    without_overhead,
)
from benchmarks.parts import PARTS, WRITERS, part_names
from benchmarks.procfs import Scheduled
from benchmarks.records import StreamRun
from benchmarks.stream_stamps import STAMPED, Stamps, Turn
from benchmarks.watched_gateway import PartsSeen

PART, OTHER = PARTS[0].name, PARTS[1].name


class Clock:
    """Nanoseconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def seen(
    times_ns: dict[str, int], passages: list[Passage], cpu_ns: int, waiting_ns: int = 0
) -> PartsSeen:
    return PartsSeen(
        Entries(times_ns, passages), Overhead(10.0, 5.0), Scheduled(0.0, cpu_ns, waiting_ns)
    )


def test_a_part_is_what_it_does_itself() -> None:
    clock = Clock()
    ledger = Ledger(("outer", "inner"), clock)

    def spend(nanoseconds: int) -> int:
        clock.now += nanoseconds
        return nanoseconds

    inner = ledger.timed("inner", spend)
    outer = ledger.timed("outer", lambda: spend(3) + inner(40) + spend(500))
    spend(1_000)
    assert outer() == 543
    entries = ledger.entries()
    assert entries.times_ns == {OUTSIDE: 1_000, "outer": 503, "inner": 40}
    assert entries.passages == [Passage(OUTSIDE, "outer", 1), Passage("outer", "inner", 1)]


def test_a_part_that_raises_is_left() -> None:
    clock = Clock()
    ledger = Ledger(("part",), clock)

    def fail() -> None:
        clock.now += 7
        raise LookupError

    with pytest.raises(LookupError):
        ledger.timed("part", fail)()
    clock.now += 100
    ledger.leave(ledger.enter("part"))
    assert ledger.entries().times_ns == {OUTSIDE: 100, "part": 7}


def test_a_block_is_a_part_too() -> None:
    clock = Clock()
    ledger = Ledger(("call", "block"), clock)

    def work() -> None:
        caller = ledger.enter("block")
        clock.now += 5
        ledger.leave(caller)
        clock.now += 2

    ledger.timed("call", work)()
    assert ledger.entries().times_ns == {OUTSIDE: 0, "call": 2, "block": 5}


def test_between_two_readings_only_the_new_counts() -> None:
    before = Entries({"a": 10}, [Passage(OUTSIDE, "a", 1)])
    after = Entries({"a": 25, "b": 4}, [Passage(OUTSIDE, "a", 3), Passage("a", "b", 2)])
    new = between(before, after)
    assert new.times_ns == {"a": 15, "b": 4}
    assert [each.calls for each in new.passages] == [2, 2]


def test_what_timing_costs_is_taken_from_the_part_and_from_its_caller() -> None:
    entries = Entries({"a": 1_000, "b": 100}, [Passage("a", "b", 4), Passage(OUTSIDE, "a", 1)])
    left = without_overhead(entries, Overhead(inside_ns=10.0, caller_ns=20.0))
    assert left == {"a": 1_000 - 10 - 4 * 20, "b": 100 - 4 * 10}


def test_timing_costs_what_its_two_readings_of_the_clock_cost() -> None:
    ticks = itertools.count(step=100)  # a clock that takes 100 ns to read
    cost = overhead_ns(lambda: next(ticks), calls=50)
    assert cost.inside_ns == pytest.approx(100, abs=5)
    assert cost.caller_ns == pytest.approx(100, abs=5)


def test_the_parts_of_a_round_add_up_to_its_cpu_time() -> None:
    times_ns = {OUTSIDE: 9_000_000, PART: 40_000, OTHER: 20_000}
    passages = [Passage(OUTSIDE, PART, 10), Passage(PART, OTHER, 10)]
    before = seen({}, [], cpu_ns=0)
    after = seen(times_ns, passages, cpu_ns=100_000)
    times = times_per_request(before, after, process_us=130.0, requests=10)
    assert times.parts_us[PART] == pytest.approx((40_000 - 10 * 10 - 10 * 5) / 10_000)
    assert times.parts_us[OTHER] == pytest.approx((20_000 - 10 * 10) / 10_000)
    assert times.parts_us[LOOP] == pytest.approx((100_000 - 60_000 - 10 * 5) / 10_000)
    assert times.parts_us[LOG_THREAD] == pytest.approx((130_000 - 100_000) / 10_000)
    watching_us = (20 * 10 + 20 * 5) / 10_000
    assert times.sum_us + watching_us == pytest.approx(13.0)


def test_waiting_for_a_processor_is_taken_out() -> None:
    after = seen({PART: 80_000}, [], cpu_ns=100_000, waiting_ns=100_000)
    times = times_per_request(seen({}, [], 0), after, process_us=100.0, requests=1)
    assert times.waiting_share == 0.5
    assert times.parts_us[PART] == pytest.approx(40.0)
    assert times.parts_us[LOOP] == pytest.approx(60.0)


def test_small_parts_become_one_and_nothing_is_lost() -> None:
    rounds = [Times({PART: 3.0, OTHER: 0.1, LOOP: 2.0}, 0.0), Times({PART: 4.0}, 0.0)]
    figures = merged(rounds)
    assert figures == {PART: [3.0, 4.0], LOOP: [2.0, 0.0], SMALL: [0.1, 0.0]}


def test_legs_add_up_to_the_time_to_first_token() -> None:
    opened = Stamps(1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7)
    legs = legs_ms(1.0, opened, 1.8)
    assert len(legs) == len(LEGS)
    assert sum(legs) == pytest.approx(800)
    assert legs == [pytest.approx(100)] * len(LEGS)


def test_an_idle_connection_leaves_the_legs_of_opening_empty() -> None:
    legs = dict(
        zip(LEGS, legs_ms(1.0, Stamps(1.1, 1.2, 0.0, 0.0, 1.5, 1.6, 1.7), 1.8), strict=True)
    )
    assert legs["planned -> opening a connection"] == 0
    assert legs["opening -> connected"] == 0
    assert legs["connected -> request written"] == pytest.approx(300)


def stream_run(ttft_ms: list[float], sent_s: list[float | None]) -> StreamRun:
    return StreamRun(ttft_ms, len(ttft_ms), 1, 0, 0, 0.0, 0.0, 0, [], sent_s)


def test_the_slowest_streams_are_told_apart() -> None:
    count = 40
    streams = {
        n: Stamps(n + 0.001, n + 0.002, 0, 0, n + 0.003, n + 0.004, n + 0.005) for n in range(count)
    }
    streams[7].read_s = 7.0005
    run = stream_run(
        [5.0 if number != 7 else 105.0 for number in range(count)],
        [float(number) for number in range(count)],
    )
    streams[9] = Stamps(9.001, 9.002, 0, 0, 9.003, 9.004, 9.005)
    turns = [Turn(n + 0.001, n + 0.002, 3) for n in range(count)] + [Turn(-9.0, 0.0, 99)]
    moments = [Scheduled(0.0, 0, 0), Scheduled(2.0, 1_000_000_000, 500_000_000)]
    result = begun(run, streams, turns, moments)
    assert sum(result.legs_ms) == pytest.approx((39 * 5 + 105) / 40)
    assert sum(result.legs_slow_ms) == pytest.approx((105 + 5) / 2)  # a twentieth of 40
    assert result.turn_p99_ms == pytest.approx(1.0)  # the one before the streams does not count
    assert result.callbacks_p99 == 3
    assert result.on_cpu_share == pytest.approx(0.5)
    assert result.waiting_share == pytest.approx(0.25)


def test_a_stream_that_left_no_trace_spoils_the_round() -> None:
    with pytest.raises(ValueError, match="no trace"):
        begun(stream_run([5.0], [0.0]), {}, [], [])


def test_who_comes_meets_the_long_turns() -> None:
    assert weighted_median([1.0] * 9 + [11.0]) == 11.0
    assert weighted_median([1.0, 1.0, 1.0]) == 1.0
    with pytest.raises(ValueError, match="needs a value"):
        weighted_median([])


@pytest.mark.parametrize(
    "path",
    [path for part in PARTS for path in part.functions]
    + [path for path, _ in WRITERS]
    + list(STAMPED),
)
def test_what_is_watched_is_still_there(path: str) -> None:
    module, _, inner = path.partition(":")
    assert callable(reduce(getattr, inner.split("."), importlib.import_module(module)))


def test_part_names_are_told_apart() -> None:
    assert len(set(part_names())) == len(part_names())
