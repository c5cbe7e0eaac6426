"""The adaptive case counts what it says it counts."""

import pytest
from benchmarks.adaptive_case import MAIN, WHOLE, bars
from benchmarks.adaptive_engine import HIT_S, Engine, Outcome, Parts
from benchmarks.adaptive_figures import Figures, Point, at_staleness, mean_of, ratio_of
from benchmarks.adaptive_records import AdaptiveRow, AdaptiveRun, Against, Mean, Ratio
from benchmarks.adaptive_stampede import Manner, meet
from benchmarks.adaptive_world import MIXED, NEVER, Arrival, Ask, Truth, arrivals, world
from benchmarks.records import Verdict

from headrace.cache.policy import LruPolicy


def ask(key: str = "a", change_s: float = NEVER, size: int = 1000) -> Ask:
    return Ask(key.encode(), "c", "t", size, 0.01, 2.0, change_s, 0.0)


def run(parts: Parts, *requests: tuple[float, Ask], room: int = 10_000) -> Outcome:
    engine = Engine(parts, LruPolicy(), room, 1, Truth(1))
    return engine.run([Arrival(t_s, what, 1.0) for t_s, what in requests], 0.0)


def test_a_repeat_is_a_hit_and_who_comes_meanwhile_waits_for_the_rest() -> None:
    outcome = run(Parts(ttl_s=60.0), (0.0, ask()), (1.5, ask()), (10.0, ask()))
    assert outcome.latencies_s == [2.0, 0.5, HIT_S]
    assert (outcome.hits, outcome.calls_usd) == (1, 0.01)


def test_after_its_life_an_answer_is_asked_for_again() -> None:
    outcome = run(Parts(ttl_s=60.0), (0.0, ask()), (62.5, ask()))
    assert outcome.latencies_s == [2.0, 2.0]


def test_a_stale_answer_is_given_and_paid_for_behind() -> None:
    outcome = run(Parts(ttl_s=60.0, stale_s=60.0), (0.0, ask()), (62.5, ask()), (100.0, ask()))
    assert outcome.latencies_s == [2.0, HIT_S, HIT_S]
    assert (outcome.calls_usd, outcome.behind_usd) == (0.01, 0.01)
    assert outcome.behind == {"stale": 1}


def test_an_answer_that_was_overtaken_by_the_truth_counts_as_stale() -> None:
    changing = ask(change_s=50.0)
    change_s = next(t_s for t_s in range(1, 10_000) if Truth(1).version(changing, t_s) == 1)
    before, after = change_s - 0.5, change_s + 0.5
    outcome = run(Parts(ttl_s=1e6), (0.0, changing), (before, changing), (after, changing))
    assert (outcome.hits, outcome.stale_hits) == (2, 1)


def test_room_is_bounded() -> None:
    requests = [(10.0 * number, ask(str(number))) for number in range(20)]
    engine = Engine(Parts(), LruPolicy(), 5_500, 1, Truth(1))
    engine.run([Arrival(t_s, what, 1.0) for t_s, what in requests], 0.0)
    assert len(engine._held) == 5


def test_the_same_seed_gives_the_same_figures() -> None:
    small = world("w", "mild", MIXED, 4.0)
    requests = arrivals(small, 1)[:3000]
    parts = Parts(stale_s=600.0, early=True, adaptive=True, admission=True, prefetch_usd=1.0)
    runs = [Engine(parts, LruPolicy(), 200_000, 1, Truth(1)).run(requests, 0.0) for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0].latencies_s) == 3000


def test_the_truth_does_not_depend_on_who_asks_when() -> None:
    changing = ask(change_s=100.0)
    forwards, backwards = Truth(3), Truth(3)
    moments_s = [10.0 * number for number in range(100)]
    told = [forwards.version(changing, t_s) for t_s in moments_s]
    assert told == [backwards.version(changing, t_s) for t_s in reversed(moments_s)][::-1]
    assert told[-1] == pytest.approx(10, abs=8)


def figures(stale_share: float, mean_s: float) -> Figures:
    return Figures(mean_s / 2, mean_s, 100.0, stale_share, 0.3, 0.0)


def test_equal_staleness_lies_on_the_line_between_what_was_measured() -> None:
    frontier = [
        Point(100.0, figures(0.01, 8.0)),
        Point(200.0, figures(0.03, 6.0)),
        Point(400.0, figures(0.10, 5.0)),
    ]
    found = at_staleness(frontier, 0.02)
    assert (found.ttl_s, found.figures.mean_s) == (pytest.approx(150.0), pytest.approx(7.0))
    assert at_staleness(frontier, 0.001) is frontier[0]
    assert at_staleness(frontier, 0.5) is frontier[-1]


def test_ratios_are_of_the_same_seed() -> None:
    found = ratio_of([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match=r"shorter|longer"):
        ratio_of([1.0], [1.0, 2.0])
    assert mean_of([0.1, 0.3], 100.0).mean == pytest.approx(20.0)


def row(p50: Ratio, mean: Ratio) -> AdaptiveRow:
    nothing, same = Mean(0.0, 0.0, 0.0, 2), Ratio(1.0, 1.0, 1.0, 2)
    against = Against(p50, mean, same)
    figures = dict.fromkeys(AdaptiveRow.__struct_fields__[2:8], nothing)
    return AdaptiveRow(
        setting=MAIN,
        engine=WHOLE,
        **figures,
        against_default=against,
        against_equal=against,
        equal_ttl_s=1.0,
    )


@pytest.mark.parametrize(
    ("p50", "mean", "verdict"),
    [
        (Ratio(0.70, 0.65, 0.75, 10), Ratio(0.95, 0.9, 1.0, 10), Verdict.PASS),
        (Ratio(0.95, 0.90, 1.00, 10), Ratio(0.7, 0.65, 0.75, 10), Verdict.PASS),
        (Ratio(0.75, 0.65, 0.85, 10), Ratio(0.95, 0.9, 1.0, 10), Verdict.MISS),
    ],
)
def test_the_whole_interval_has_to_keep_the_promise(
    p50: Ratio, mean: Ratio, verdict: Verdict
) -> None:
    (bar,) = bars(AdaptiveRun([row(p50, mean)], [], [], [], []))
    assert bar.verdict is verdict


def test_one_end_is_met_by_one_call_where_all_are_joined() -> None:
    assert meet(Manner("all", "all"), 1).calls_per_end == 1.0


def test_a_stampede_is_worse_where_nobody_joins() -> None:
    alone, joined = meet(Manner("none"), 1), meet(Manner("process", "process"), 1)
    assert alone.calls_per_end > 20 > 5 > joined.calls_per_end > 2
    early = meet(Manner("early", "process", early=True), 1)
    assert early.waited_share < joined.waited_share / 10
    assert early.stale_share == 0.0
