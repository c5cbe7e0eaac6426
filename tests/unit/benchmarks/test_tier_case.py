"""What a tier adds is told round by round, and only where its answers came from it."""

from benchmarks import tier_case, told_metrics, workload
from benchmarks.records import OpenLoopRun, Spread, Verdict
from benchmarks.tier_case import DURABLE, MEMORY, SHARED, tier_row

PAGE = """\
# HELP headrace_tier_writes_total Answers written to the tiers below memory.
headrace_tier_writes_total{tier="l2",outcome="written"} 12
headrace_tier_writes_total{tier="l2",outcome="failed"} 3
headrace_tier_writes_total{tier="l3",outcome="written"} 7.0
headrace_up 1
"""


def run(p50_ms: float, p99_ms: float, elsewhere: int = 0, errors: int = 0) -> OpenLoopRun:
    return OpenLoopRun(1000, errors, p50_ms, p99_ms, p99_ms, p99_ms, 0.01, [], elsewhere)


def test_differences_are_of_the_same_round() -> None:
    runs = {
        (SHARED, MEMORY): [run(1.0, 2.0), run(10.0, 20.0)],
        (SHARED, SHARED): [run(1.5, 2.5), run(10.5, 20.5)],
    }
    row = tier_row(SHARED, 1000, runs)
    assert row.added_p50_ms == Spread(0.5, 0.5, 0.5, 2)
    assert row.added_p99_ms == Spread(0.5, 0.5, 0.5, 2)
    assert row.void is None


def test_a_few_answers_from_elsewhere_tell_of_the_tier_and_many_of_something_else() -> None:
    assert tier_case.void_reason([run(1, 1, elsewhere=10)]) is None
    assert tier_case.void_reason([run(1, 1, elsewhere=11)]) is not None
    assert tier_case.void_reason([run(1, 1, errors=1)]) is not None


def test_valkey_is_judged_by_what_it_adds_and_sqlite_by_the_whole_hit() -> None:
    def verdict(tier: str, memory_p99_ms: float, p99_ms: float) -> Verdict:
        runs = {(tier, MEMORY): [run(0.1, memory_p99_ms)], (tier, tier): [run(0.2, p99_ms)]}
        (bar,) = tier_case.bars([tier_row(tier, 1000, runs)])
        return bar.verdict

    assert verdict(SHARED, 2.0, 2.9) is Verdict.PASS
    assert verdict(SHARED, 0.5, 1.6) is Verdict.MISS
    assert verdict(DURABLE, 0.5, 2.9) is Verdict.PASS
    assert verdict(DURABLE, 0.5, 3.1) is Verdict.MISS
    assert verdict(DURABLE, 3.5, 4.0) is Verdict.VOID  # memory alone is as slow


def test_a_sample_of_the_metrics_is_found_by_its_labels() -> None:
    name = "headrace_tier_writes_total"
    assert told_metrics.value(PAGE, name, tier="l2", outcome="written") == 12
    assert told_metrics.value(PAGE, name, outcome="written", tier="l3") == 7
    assert told_metrics.value(PAGE, name, tier="l4") == 0
    assert told_metrics.value(PAGE, "headrace_up") == 1


def test_long_answers_have_the_length_that_is_asked_for() -> None:
    for length in tier_case.ANSWER_BYTES:
        answer = workload.long_completion(length)
        assert len(answer) == len(answer.encode()) == length
        assert not set("\\$'") & set(answer)  # they stand in a configuration of nginx
