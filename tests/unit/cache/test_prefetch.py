"""Prefetching spends its budget on what is worth it, and owns up to its waste."""

from typing import Final

import pytest

from headrace.cache.prefetch import Budget, Expiring, PrefetchPlanner

IDLE: Final = {"": 100}
BUSY: Final = {"": 0, "other": 100}


def planner(
    chances: dict[bytes, float] | None = None,
    *,
    usd_per_hour: float = 36.0,
    **bounds: int,
) -> PrefetchPlanner:
    known = chances or {}
    return PrefetchPlanner(
        usd_per_hour=usd_per_hour,
        usd_per_second=0.01,
        reuse=lambda key, _life_s: known.get(key, 1.0),
        now_s=0.0,
        **bounds,
    )


def expiring(
    name: str,
    expires_s: float = 100.0,
    cost_usd: float = 0.01,
    *,
    life_s: float = 1000.0,
    upstream: str = "",
) -> Expiring:
    return Expiring(name.encode(), expires_s, life_s, cost_usd, 2.0, upstream)


def keys(chosen: list[Expiring]) -> list[bytes]:
    return [each.key for each in chosen]


def test_what_expires_soon_is_asked_for_once() -> None:
    plan = planner()
    plan.watch(expiring("soon", 100.0))
    plan.watch(expiring("later", 500.0))
    assert keys(plan.plan(80.0, IDLE)) == []
    assert keys(plan.plan(95.0, IDLE)) == [b"soon"]
    assert keys(plan.plan(96.0, IDLE)) == []


def test_without_a_budget_nothing_is_planned_or_kept() -> None:
    plan = planner(usd_per_hour=0.0)
    plan.watch(expiring("a"))
    assert len(plan) == 0
    assert plan.plan(95.0, IDLE) == []


def test_a_busy_upstream_is_left_alone_and_what_expires_meanwhile_is_counted() -> None:
    plan = planner()
    plan.watch(expiring("a", 100.0))
    plan.watch(expiring("b", 110.0))
    assert plan.plan(95.0, BUSY) == []
    assert plan.plan(96.0, {}) == []
    assert keys(plan.plan(105.0, IDLE)) == [b"b"]
    assert plan.report.missed == 1


def test_what_is_expected_to_cost_more_than_it_brings_is_left_out() -> None:
    # A second is worth 1 cent, so 2 s saved are worth 2 cents, and a call costs 1.
    plan = planner(chances={b"a": 0.32, b"b": 0.35})
    plan.watch(expiring("a"))
    plan.watch(expiring("b"))
    assert keys(plan.plan(95.0, IDLE)) == [b"b"]
    assert plan.report.refused_value == 1


def test_what_is_hardly_ever_used_is_left_out_however_cheap_it_is() -> None:
    plan = planner(chances={b"a": 0.2})
    plan.watch(expiring("a", cost_usd=0.0))
    assert plan.plan(95.0, IDLE) == []
    assert plan.report.refused_value == 1


def test_the_best_for_its_money_comes_first() -> None:
    plan = planner(chances={b"a": 0.5, b"b": 0.9, b"c": 0.7})
    for name in "abc":
        plan.watch(expiring(name))
    assert keys(plan.plan(95.0, IDLE, answers_max=2)) == [b"b", b"c"]
    assert keys(plan.plan(96.0, IDLE, answers_max=2)) == [b"a"]


def test_the_budget_holds_over_hours() -> None:
    plan = planner(usd_per_hour=0.36, expiring_max=100_000)
    for number in range(20_000):
        plan.watch(Expiring(b"%d" % number, float(number), 1000.0, 0.01, 2.0))
    for second in range(0, 20_000, 5):
        plan.plan(float(second), IDLE)
    hours = 20_000 / 3600
    assert plan.report.spent_usd <= 0.36 * (hours + 0.1) + 1e-9
    assert plan.report.spent_usd >= 0.36 * hours * 0.95
    assert plan.report.refused_budget > 0


def test_uses_and_waste_are_told() -> None:
    plan = planner()
    for name in "abcd":
        plan.watch(expiring(name))
    for each in plan.plan(95.0, IDLE):
        plan.came(each.key, 0.01, 1100.0 if each.key != b"d" else None)
    plan.used(b"a", 100.0)
    plan.used(b"a", 101.0)
    plan.used(b"d", 101.0)
    plan.used(b"never prefetched", 101.0)
    plan.plan(1101.0, IDLE)
    report = plan.report
    assert (report.planned, report.used, report.wasted, report.failed) == (4, 1, 2, 1)
    assert report.wasted_share == pytest.approx(2 / 3)
    assert report.wasted_usd == pytest.approx(0.03)
    assert report.seconds_saved == 2.0


def test_a_use_that_the_old_answer_would_have_served_is_not_its_merit() -> None:
    plan = planner()
    plan.watch(expiring("a", 100.0))
    plan.plan(95.0, IDLE)
    plan.came(b"a", 0.01, 1096.0)
    plan.used(b"a", 99.0)
    assert plan.report.used == 0
    plan.used(b"a", 100.5)
    assert plan.report.used == 1


def test_what_leaves_before_it_is_used_is_wasted() -> None:
    plan = planner()
    plan.watch(expiring("a"))
    plan.plan(95.0, IDLE)
    plan.came(b"a", 0.01, 1096.0)
    plan.left(b"a", 96.0)
    plan.used(b"a", 200.0)
    assert (plan.report.used, plan.report.wasted) == (0, 1)


def test_what_it_really_cost_counts() -> None:
    plan = planner(usd_per_hour=0.2)  # two calls and no more
    plan.watch(expiring("a"))
    plan.watch(expiring("b"))
    assert len(plan.plan(95.0, IDLE)) == 2
    plan.came(b"a", 0.002, 1000.0)
    plan.came(b"b", 0.0, None)
    assert plan.report.spent_usd == pytest.approx(0.002)
    plan.watch(expiring("c", 105.0))
    assert keys(plan.plan(96.0, IDLE)) == [b"c"]


def test_a_call_that_nobody_hears_of_again_counts_as_failed_and_paid() -> None:
    plan = planner()
    plan.watch(expiring("a", life_s=100.0))
    plan.plan(95.0, IDLE)
    plan.plan(200.0, IDLE)
    plan.came(b"a", 5.0, 900.0)
    report = plan.report
    assert (report.failed, report.spent_usd, report.wasted_usd) == (1, 0.01, 0.01)


def test_each_upstream_has_its_own_room() -> None:
    plan = planner()
    for name, upstream in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "z")):
        plan.watch(expiring(name, upstream=upstream))
    assert keys(plan.plan(95.0, {"x": 1, "y": 5})) == [b"a", b"c"]
    assert keys(plan.plan(96.0, {"x": 1, "z": 1})) == [b"b", b"d"]


def test_many_of_a_busy_upstream_do_not_keep_the_others_waiting() -> None:
    plan = planner()
    for number in range(500):
        plan.watch(expiring(str(number), 99.0, upstream="busy"))
    plan.watch(expiring("a", 100.0, upstream="idle"))
    chosen = [plan.plan(91.0 + second, {"idle": 1}) for second in range(6)]
    assert [keys(each) for each in chosen if each] == [[b"a"]]


def test_of_a_short_life_only_the_last_quarter_is_ahead() -> None:
    plan = planner()
    plan.watch(expiring("a", 100.0, life_s=4.0))
    assert plan.plan(98.9, IDLE) == []
    assert keys(plan.plan(99.0, IDLE)) == [b"a"]


def test_an_answer_stored_anew_is_considered_at_its_new_end_only() -> None:
    plan = planner()
    plan.watch(expiring("a", 100.0))
    plan.watch(expiring("a", 300.0))
    assert keys(plan.plan(95.0, IDLE)) == []
    assert keys(plan.plan(295.0, IDLE)) == [b"a"]


def test_what_left_the_cache_or_cannot_be_asked_for_is_forgotten() -> None:
    plan = planner()
    plan.watch(expiring("a"))
    plan.watch(expiring("b"))
    plan.left(b"a", 96.0)
    plan.left(b"a", 96.0)
    plan.forget(b"b")
    assert plan.plan(95.0, IDLE) == []


def test_what_left_because_it_has_expired_was_missed() -> None:
    plan = planner()
    plan.watch(expiring("a", 100.0))
    plan.watch(expiring("b", 100.0))
    plan.left(b"a", 100.5)
    plan.left(b"b", 99.5)
    assert plan.report.missed == 1


def test_a_prefetched_answer_that_cannot_be_asked_for_again_is_still_used() -> None:
    plan = planner()
    plan.watch(expiring("a"))
    plan.plan(95.0, IDLE)
    plan.came(b"a", 0.01, 1096.0)
    plan.forget(b"a")
    plan.used(b"a", 200.0)
    assert (plan.report.used, plan.report.wasted) == (1, 0)


def test_a_second_prefetch_of_what_nobody_used_counts_the_first_as_waste() -> None:
    plan = planner()
    for end_s in (100.0, 200.0):
        plan.watch(expiring("a", end_s))
        plan.plan(end_s - 5.0, IDLE)
        plan.came(b"a", 0.01, end_s + 95.0)
    plan.used(b"a", 201.0)
    assert (plan.report.planned, plan.report.used, plan.report.wasted) == (2, 1, 1)


def test_what_is_kept_in_mind_is_bounded() -> None:
    plan = planner(expiring_max=10, paid_max=5)
    for number in range(1000):
        plan.watch(expiring(str(number), 100.0 + number))
    for number in range(1000):
        plan.watch(expiring("0", 100.0 + number))
    assert len(plan) == 10
    assert len(plan._order) <= 20
    plan.plan(95.0, IDLE)
    assert len(plan.plan(1095.0, IDLE, answers_max=100)) <= 5


def test_a_budget_fills_evenly_up_to_its_bucket_and_never_backwards() -> None:
    budget = Budget(36.0, 0.0)
    assert budget.take(3.6, 0.0)
    assert not budget.take(0.02, 1.0)
    assert budget.take(0.01, 1.0)
    assert budget.left_usd(0.5) == pytest.approx(0.0)
    assert budget.left_usd(1e6) == pytest.approx(3.6)
    budget.correct(4.0)
    assert not budget.take(0.0, 1e6)
