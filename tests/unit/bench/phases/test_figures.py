"""Runs as figures: by phase where there are several, and none of what may not be used."""

from typing import Any

import pytest
from tests.support.benching import make_phase, make_plan, make_record, make_summary

from headrace.bench.load.plan import Phase
from headrace.bench.load.summary import Quantiles
from headrace.bench.phases.figures import asked_of, figures
from headrace.bench.records import PhaseRecord, Reading, RunRecord


def record(*phases: Phase, **fields: Any) -> RunRecord:
    told = tuple(PhaseRecord(phase=each, summary=make_summary()) for each in phases)
    return make_record(plan=make_plan(*phases), phases=told, **fields)


def test_a_single_phase_is_told_by_the_names_of_its_figures() -> None:
    warm_up = make_phase(name="first", kind="warm-up")
    told = figures(record(warm_up, make_phase(name="second")))
    assert (told["p95_ms"], told["good_per_s"]) == (50.0, 90.0)
    assert told["hit_share"] is None
    assert not any("." in name for name in told)


def test_several_phases_are_told_apart() -> None:
    told = figures(record(make_phase(name="a"), make_phase(name="b")))
    assert {name.partition(".")[0] for name in told} == {"a", "b"}
    assert told["b.p99_ms"] == 90.0


def test_the_targets_process_is_told_for_each_phase() -> None:
    readings = tuple(Reading(at_s, 100.0 + at_s, 0.5 * at_s) for at_s in (0.0, 1.0, 2.0))
    told = figures(record(make_phase(name="a"), make_phase(name="b"), readings=readings))
    assert told["a.rss_mb"] == 101.0
    assert told["b.rss_mb"] == 102.0
    assert told["a.cpu_share"] == told["b.cpu_share"] == pytest.approx(0.5)


@pytest.mark.parametrize("fields", [{"void": "late"}, {"status": "interrupted"}])
def test_what_may_not_be_used_has_no_figures(fields: dict[str, str]) -> None:
    told = figures(record(make_phase(), **fields))
    assert set(told.values()) == {None}


def test_who_refuses_the_slow_ones_is_not_the_faster() -> None:
    """Ten of a hundred failed: of those that succeeded the p95 is low, and of all there is none."""
    summary = make_summary(
        strict=Quantiles(count=100, p50_ms=12.0),
        ttft=Quantiles(count=90, p50_ms=3.0, p95_ms=4.0),
        ttft_strict=Quantiles(count=100, p50_ms=3.0),
    )
    phase = make_phase()
    told = figures(
        make_record(plan=make_plan(phase), phases=(PhaseRecord(phase=phase, summary=summary),))
    )
    assert (told["p50_ms"], told["ttft_p50_ms"]) == (12.0, 3.0)
    assert told["p95_ms"] is told["p99_ms"] is told["ttft_p95_ms"] is None


def test_another_seed_asks_the_same_and_another_rate_does_not() -> None:
    plan = make_plan()
    assert asked_of(plan) == asked_of(make_plan(seed=9))
    assert asked_of(plan) != asked_of(make_plan(make_phase(users=11)))
