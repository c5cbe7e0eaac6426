"""The key stream, the book beside a cache, and what is made of their samples."""

from collections import Counter
from itertools import islice

import pytest
from benchmarks import endurance_caches, endurance_case, processes
from benchmarks.cache_records import EnduranceSample, EnduranceTotals
from benchmarks.endurance_caches import Book, is_right, value_of
from benchmarks.endurance_case import endurance_run, void_reason
from benchmarks.endurance_run import EndurancePlan
from benchmarks.key_stream import Action, KeyStream
from benchmarks.records import Verdict

from headrace.clock import ManualClock

PLAN = EndurancePlan("toolkit Cache", 1000, 100, 600.0, 1)
MIB = 1 << 20


def totals(
    *, operations: int = 100, held: int = 1000, seconds: float = 600.0, wrong: int = 0
) -> EnduranceTotals:
    return EnduranceTotals(operations, seconds, held, 990, 50, 5, 6, wrong)


def sample(
    operations: int, *, held: int = 990, counted: int = 990, mib: int = 50
) -> EnduranceSample:
    return EnduranceSample(operations * 6.0, operations, 3, held, counted, mib * MIB)


def test_the_stream_is_fixed_by_its_seed_and_has_its_shares() -> None:
    first = list(islice(KeyStream(1).operations(), 20_000))
    assert first == list(islice(KeyStream(1).operations(), 20_000))
    assert first != list(islice(KeyStream(2).operations(), 20_000))
    shares = {action: count / 20_000 for action, count in Counter(o.action for o in first).items()}
    assert shares[Action.LOOK_UP] == pytest.approx(0.88, abs=0.02)
    assert set(shares) == set(Action)
    once = [o.number for o in first if o.number % 2]
    assert len(set(once)) == len(once)
    popular = Counter(o.number for o in first if o.number % 2 == 0)
    assert popular.most_common(1)[0][1] > 100


def test_popular_keys_are_replaced_after_a_while() -> None:
    early, late = KeyStream(1).operations(), KeyStream(1).operations()
    before = {o.number for o in islice(early, 20_000) if o.number % 2 == 0}
    after = {o.number for o in islice(late, 300_000, 320_000) if o.number % 2 == 0}
    assert len(after - before) / len(after) > 0.05
    assert before & after


def test_a_key_always_holds_the_same() -> None:
    stream = KeyStream(1)
    assert [stream.terms(n) for n in range(100)] == [KeyStream(1).terms(n) for n in range(100)]
    assert len({stream.terms(2 * n) for n in range(1000)}) > 500


def test_a_value_tells_its_key_and_its_end() -> None:
    value = value_of(7, 10.0, 500)
    assert len(value) == 500
    assert is_right(value, 7, 9.9)
    assert not is_right(value, 8, 9.9)
    assert not is_right(value, 7, 10.0)


def test_the_book_follows_what_comes_grows_and_leaves() -> None:
    book, old, new = Book(), object(), object()
    book.came(1, old, 100)
    book.grew(1, 20)
    book.came(1, new, 50)
    book.left(1, old, "replaced")  # its place is taken already
    assert (book.bytes, len(book)) == (50, 1)
    book.left(1, new, "capacity")
    assert (book.bytes, len(book)) == (0, 0)
    assert book.reasons == {"replaced": 1, "capacity": 1}


@pytest.mark.parametrize("name", endurance_caches.contenders())
def test_book_and_cache_agree_at_the_bound(name: str) -> None:
    clock, stream = ManualClock(), KeyStream(3)
    cache = endurance_caches.make(name, 1 << 20, clock)
    for number, (action, key) in enumerate(islice(stream.operations(), 6000)):
        clock.advance(0.001)
        terms = stream.terms(key)
        value = value_of(key, clock.monotonic_s() + terms.ttl_s, terms.size)
        if action is Action.ADD:
            cache.add(key, value, terms)
        elif action is Action.REMOVE:
            cache.remove(key)
        elif action is Action.STORE or (held := cache.look_up(key)) is None:
            cache.store(key, value, terms)
        else:
            assert is_right(held, key, clock.monotonic_s())
        if number % 100 == 0:
            cache.keep_up()
        assert cache.bytes_held == cache.book.bytes <= 1 << 20
    assert cache.book.reasons["capacity"] > 0
    assert cache.book.reasons["expired"] > 0


def test_growth_is_of_the_time_after_the_warm_up() -> None:
    samples = [sample(10, mib=5), *(sample(25 + 25 * n, mib=50 + n) for n in range(4))]
    run = endurance_run(PLAN, samples, totals())
    assert (run.rss_mib.low, run.rss_mib.high) == (50, 53)
    assert run.rss_mib_per_million == pytest.approx(1 / 25e-6)
    assert run.rss_growth_points == pytest.approx(100 * 3 / 51.5)


def test_what_is_held_is_told_at_its_worst() -> None:
    samples = [sample(10, held=10, counted=30), sample(50, held=950, counted=945), sample(90)]
    run = endurance_run(PLAN, samples, totals(held=1010))
    assert run.over_points == pytest.approx(1.0)
    assert run.apart_points == pytest.approx(2.0)
    assert run.filled_points == pytest.approx(95.0)


def test_a_run_without_a_sample_after_its_warm_up_is_refused() -> None:
    with pytest.raises(processes.ChildFailed, match="too few"):
        endurance_run(PLAN, [sample(10)], totals(operations=10))


def test_wrong_values_and_missing_operations_void_a_run() -> None:
    def void(given: EnduranceTotals) -> str | None:
        return void_reason(endurance_run(PLAN, [sample(50), sample(100)], given))

    assert void(totals()) is None
    assert void(totals(wrong=2)) == "2 wrong values"
    assert void(totals(operations=90)) == "90 of 100 operations in 600 s"


def test_bars_take_the_worst_cache_and_a_short_run_says_nothing_of_memory() -> None:
    good = endurance_run(PLAN, [sample(50), sample(100)], totals())
    bad = endurance_run(PLAN, [sample(50), sample(100)], totals(held=1021))
    assert [bar.verdict for bar in endurance_case.bars([good, bad])] == [
        Verdict.MISS, Verdict.PASS, Verdict.PASS,
    ]  # fmt: skip
    short = endurance_run(PLAN, [sample(50), sample(100)], totals(seconds=12.0))
    assert [bar.verdict for bar in endurance_case.bars([short])] == [
        Verdict.PASS, Verdict.PASS, Verdict.VOID,
    ]  # fmt: skip
    assert endurance_case.bars([]) == []


def test_a_minute_has_a_million_operations() -> None:
    assert endurance_case.operations_in(10) == 10_000_000
    assert endurance_case.operations_in(0.2) == 200_000
