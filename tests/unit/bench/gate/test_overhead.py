"""What is added to a latency, in milliseconds, and where that lies."""

import pytest

from headrace.bench.gate.overhead import is_overhead, latency_of, names_of, overhead, told_with

NOISE = (1.0, 1.1, 0.9, 1.05, 0.95)


def test_every_latency_has_an_overhead_and_nothing_else_has() -> None:
    told = names_of(("p50_ms", "alone.ttft_p95_ms", "start_cpu_ms", "cpu_us_per_request"))
    assert told == ("p50_overhead_ms", "alone.ttft_p95_overhead_ms")
    assert [latency_of(each) for each in (*told, "hit_share")] == [
        "p50_ms",
        "alone.ttft_p95_ms",
        "hit_share",
    ]
    assert [is_overhead(each) for each in ("p50_overhead_ms", "p50_ms")] == [True, False]


def test_medians_and_tails_of_the_phases_that_budgets_name_are_told() -> None:
    asked = ("alone.p95_overhead_ms", "alone.p50_overhead_ms", "p50_overhead_ms", "hit_share")
    assert told_with(asked) == ["alone.p50_ms", "alone.p99_ms", "p50_ms", "p99_ms"]


def test_an_overhead_is_a_difference_within_the_block() -> None:
    """The machine is ten times as slow in one block, and what is added is not."""
    paces = (1.0, 1.0, 10.0, 1.0, 1.0)
    direct = [{"p50_ms": 0.2 * pace} for pace in paces]
    gateway = [{"p50_ms": 0.2 * pace + 0.5 * each} for pace, each in zip(paces, NOISE, strict=True)]
    nginx = [{"p50_ms": 0.2 * pace + 0.1 * each} for pace, each in zip(paces, NOISE, strict=True)]
    found = overhead("p50_ms", gateway, nginx, direct)
    assert found is not None
    assert found.nginx is not None
    assert found.direct_ms == pytest.approx(0.56)
    assert found.gateway.ms == pytest.approx(0.5)
    assert 0.4 < found.gateway.interval.low < 0.5 < found.gateway.interval.high < 0.6
    assert found.nginx.ms == pytest.approx(0.1)


def test_where_a_trial_failed_nothing_is_told() -> None:
    whole = [{"p50_ms": 1.0 * each} for each in NOISE]
    broken = [*whole[:4], {"p50_ms": None}]
    assert overhead("p50_ms", broken, whole, whole) is None
    assert overhead("p50_ms", whole, whole, [*whole[:4], None]) is None
    found = overhead("p50_ms", whole, broken, whole)
    assert found is not None
    assert found.nginx is None
    assert overhead("p50_ms", whole[:1], whole[:1], whole[:1]) is None
