"""From the record of a run to its figures."""

import math

import msgspec
import pytest
from tests.support.benching import make_phase, make_plan

from headrace.bench.load.plan import PhaseKind
from headrace.bench.load.summary import Quantiles, Summary
from headrace.bench.records import Environment, PhaseRecord, Reading, Requests, RunRecord
from headrace.bench.trials.metrics import (
    NAMES,
    is_higher_better,
    metrics_of,
    names_of,
    quantile,
)


def summary(
    requests: int, failed: int, good: int, caches: dict[str, int], seconds: float = 2.0
) -> Summary:
    hits = sum(count for name, count in caches.items() if name != "miss")
    none = Quantiles()
    return Summary(
        requests=requests,
        interrupted=0,
        failed=failed,
        failed_share=failed / requests if requests else 0.0,
        outcomes={"ok": requests - failed},
        details={},
        caches=caches,
        hit_share=hits / sum(caches.values()) if caches else None,
        throughput_per_s=(requests - failed) / seconds,
        good_per_s=good / 2.0,
        good_share=good / requests if requests else 0.0,
        e2e=none,
        strict=none,
        ttft=none,
        tpot=none,
        gaps=none,
        lag=none,
        sampled_share=1.0,
        outages=(),
        points=(),
        void=None,
    )


def phase(
    name: str,
    kind: PhaseKind = "load",
    e2e_ms: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0),
    outcomes: tuple[str, ...] = ("ok", "ok", "ok", "ok"),
    seen: int | None = None,
    caches: dict[str, int] | None = None,
) -> PhaseRecord:
    count = seen or len(e2e_ms)
    failed = sum(outcome != "ok" for outcome in outcomes)
    rows = Requests(
        seen=count,
        at_s=[0.0] * len(e2e_ms),
        lag_ms=[0.0] * len(e2e_ms),
        e2e_ms=[*e2e_ms],
        ttft_ms=[value / 2 for value in e2e_ms[:-1]] + [None],
        tpot_ms=[None] * len(e2e_ms),
        outcome=[*outcomes],
        kind=["chat"] * len(e2e_ms),
    )
    return PhaseRecord(
        phase=make_phase(name=name, kind=kind, seconds=2.0),
        summary=summary(count, failed, count - failed, caches or {}),
        requests=rows,
    )


def record(*phases: PhaseRecord, readings: tuple[Reading, ...] = ()) -> RunRecord:
    plan = make_plan()
    return RunRecord(
        name="test",
        plan_digest=plan.digest(),
        seed=1,
        started_at=0.0,
        target="x",
        workers=1,
        environment=Environment.here(),
        status="whole",
        void=None,
        plan=plan,
        phases=phases,
        readings=readings,
    )


def test_every_metric_is_told_or_told_not_to_be_had() -> None:
    assert tuple(metrics_of(record())) == NAMES
    assert set(metrics_of(record()).values()) == {None}


def test_figures_of_one_phase() -> None:
    told = metrics_of(record(phase("one", caches={"l1": 3, "miss": 1})), 0.002)
    assert told["p50_ms"] == 2.0
    assert told["ttft_p50_ms"] == 1.0
    assert told["p99_ms"] is None  # four requests have none
    assert told["throughput_per_s"] == told["good_per_s"] == 2.0
    assert told["failed_share"] == 0.0
    assert told["hit_share"] == 0.75
    assert told["cost_usd_per_1000_good"] == pytest.approx(0.5)
    assert told["cpu_us_per_request"] is None
    assert told["start_cpu_ms"] is None


def test_what_a_start_takes_is_told() -> None:
    told = metrics_of(record(phase("one")), at_start=(45.0, 0.6))
    assert (told["rss_mb_start"], told["start_cpu_ms"]) == (45.0, 600.0)


def test_a_request_that_failed_took_forever() -> None:
    failing = phase("one", outcomes=("timeout", "ok", "status_5xx", "ok"))
    told = metrics_of(record(failing))
    assert told["p50_ms"] == 4.0  # of 2, 4, and two without end
    assert told["failed_share"] == 0.5
    none_left = phase("one", outcomes=("timeout",) * 4)
    assert metrics_of(record(none_left))["p50_ms"] is None


def test_a_stream_that_failed_has_no_first_token_in_all_time() -> None:
    one = phase("one", outcomes=("ok", "ok", "timeout", "ok"))
    rows = one.requests
    assert rows is not None
    streams = msgspec.structs.replace(rows, kind=["stream", "chat", "stream", "stream"])
    told = metrics_of(record(msgspec.structs.replace(one, requests=streams)))
    assert (told["ttft_p50_ms"], told["ttft_p95_ms"]) == (1.0, None)
    assert metrics_of(record(one))["ttft_p50_ms"] == 0.5  # a chat has none


def test_good_ones_are_for_each_second_of_the_schedule() -> None:
    late = phase("one")
    late = msgspec.structs.replace(late, summary=summary(4, 0, 4, {}, seconds=8.0))
    told = metrics_of(record(late))
    assert (told["throughput_per_s"], told["good_per_s"]) == (0.5, 2.0)


def test_warming_up_does_not_count() -> None:
    warm = phase("warm", kind="warm-up", e2e_ms=(100.0,) * 4)
    told = metrics_of(record(warm, phase("one")), 0.008)
    assert told["p50_ms"] == 2.0
    assert told["cost_usd_per_1000_good"] == pytest.approx(1.0)  # of all that was paid for
    assert "one.p50_ms" not in told


def test_phases_are_told_together_and_each_by_itself() -> None:
    slow = phase("slow", e2e_ms=(11.0, 12.0, 13.0, 14.0))
    told = metrics_of(record(phase("fast"), slow))
    assert told["p50_ms"] == 4.0
    assert told["fast.p50_ms"] == 2.0
    assert told["slow.p50_ms"] == 12.0
    assert told["throughput_per_s"] == 2.0


@pytest.mark.parametrize("names", [("warm",), ("warm", "fast"), ("warm", "fast", "slow")])
def test_the_names_of_a_plan_are_those_that_its_trials_tell(names: tuple[str, ...]) -> None:
    phases = [phase(name, kind="warm-up" if name == "warm" else "load") for name in names]
    plan = make_plan(*(each.phase for each in phases))
    assert set(names_of(plan)) == set(metrics_of(record(*phases)))


def test_a_draw_stands_for_all_it_was_drawn_from() -> None:
    drawn = phase("many", e2e_ms=(11.0, 12.0, 13.0, 14.0), seen=396)
    told = metrics_of(record(phase("few"), drawn))
    assert told["p50_ms"] == 12.0  # 4.0 without their weight


def test_cpu_time_is_of_the_phases_that_count() -> None:
    readings = tuple(
        Reading(at_s, rss_mb, cpu_s)
        for at_s, rss_mb, cpu_s in (
            (0.0, 10, 1.0),
            (2.001, 30, 3.0),
            (3.0, 40, 3.1),
            (4.5, 20, 3.2),
        )
    )
    warm = phase("warm", kind="warm-up")
    told = metrics_of(record(warm, phase("one"), readings=readings))
    assert told["cpu_us_per_request"] == pytest.approx(0.2 / 4 * 1e6)
    assert told["rss_mb_max"] == 40


def test_cpu_time_of_an_answer_is_not_made_less_by_refusals() -> None:
    readings = (Reading(0.0, 10, 1.0), Reading(2.0, 10, 1.2))
    refusing = phase("one", outcomes=("ok", "status_5xx", "status_5xx", "status_5xx"))
    told = metrics_of(record(refusing, readings=readings))
    assert told["cpu_us_per_request"] == pytest.approx(0.2 / 4 * 1e6)
    assert told["cpu_us_per_answer"] == pytest.approx(0.2 * 1e6)
    refused = phase("one", outcomes=("status_5xx",) * 4)
    assert metrics_of(record(refused, readings=readings))["cpu_us_per_answer"] is None


def test_quantiles_are_by_rank_and_weight() -> None:
    assert quantile([(2.0, 1), (1.0, 1)], 0.5) == 1.0
    assert quantile([(2.0, 5), (1.0, 1)], 0.5) == 2.0
    assert quantile([(float(n), 1) for n in range(100)], 0.99) == 98.0
    assert quantile([(float(n), 1) for n in range(99)], 0.99) is None
    assert quantile([(1.0, 1), (math.inf, 2)], 0.5) is None
    assert quantile([], 0.5) is None


def test_which_way_is_better() -> None:
    assert is_higher_better("throughput_per_s")
    assert is_higher_better("spike.good_per_s")
    assert not is_higher_better("spike.p50_ms")
