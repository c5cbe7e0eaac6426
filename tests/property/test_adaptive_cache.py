"""Whatever the adaptive parts of the cache are told, their bounds and their books hold."""

import random
from math import isfinite

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.cache.adaptive import AdaptiveTtl
from headrace.cache.freshness import EarlyRefresh, freshness, gone_at_s
from headrace.cache.prefetch import Expiring, PrefetchPlanner
from headrace.cache.reuse.facts import UseHistory
from headrace.cache.reuse.predictor import NAMES, ReusePredictor

SECONDS = st.floats(0, 1e9)
KEYS = st.sampled_from([b"%d" % number for number in range(12)])


@given(st.lists(SECONDS, min_size=2), SECONDS, SECONDS, SECONDS)
def test_an_answer_never_gets_fresher(
    moments_s: list[float], fresh_until_s: float, stale_s: float, stale_if_error_s: float
) -> None:
    lives = (0.0, fresh_until_s, stale_s, stale_if_error_s)
    states = [freshness(now_s, *lives) for now_s in sorted(moments_s)]
    assert states == sorted(states)


@given(SECONDS, SECONDS, SECONDS, SECONDS)
def test_gone_is_told_where_it_is(
    now_s: float, fresh_until_s: float, stale_s: float, stale_if_error_s: float
) -> None:
    end_s = gone_at_s(fresh_until_s, stale_s, stale_if_error_s)
    # Away from the very end, where sums of floats differ in their last place.
    if abs(now_s - end_s) > 1e-3:
        state = freshness(now_s, 0.0, fresh_until_s, stale_s, stale_if_error_s)
        assert (state == 3) is (now_s >= end_s)


@given(SECONDS, st.floats(1e-3, 1e6), st.floats(0, 1e3), st.integers(0, 10**6), st.floats(0, 1))
def test_early_refresh_comes_within_the_life_and_at_its_end_at_the_latest(
    stored_s: float, life_s: float, seconds: float, late_uses: int, part: float
) -> None:
    plan = EarlyRefresh(uniform=random.Random(1).random, hits_min=0)
    end_s = stored_s + life_s
    careful_s = plan.careful_s(stored_s, end_s, seconds)
    assert stored_s <= careful_s <= end_s
    now_s = stored_s + part * life_s
    if now_s < careful_s:
        assert not plan.is_due(now_s, careful_s, end_s, seconds, late_uses)
    assert plan.is_due(end_s, careful_s, end_s, seconds, late_uses)


class Lifetimes(RuleBasedStateMachine):
    """Any comparisons, of any ages, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ttls = AdaptiveTtl(
            uniform=random.Random(1).random,
            ttl_s=600.0,
            ttl_min_s=60.0,
            ttl_max_s=86_400.0,
            shadow_share=0.5,
            categories_max=3,
        )

    @rule(
        category=st.sampled_from("abcde"),
        ages_s=st.lists(st.floats(-10, 1e12), max_size=30),
        changed=st.booleans(),
    )
    def observe(self, category: str, ages_s: list[float], changed: bool) -> None:
        for age_s in ages_s:
            self.ttls.observe(category, age_s, changed=changed)

    @rule()
    def hit(self) -> None:
        self.ttls.wants_check()

    @invariant()
    def lifetimes_are_within_bounds_and_rates_in_order(self) -> None:
        report = self.ttls.report()
        assert len(report) <= 3
        for known in report:
            assert 60.0 <= known.ttl_s <= 86_400.0
            assert 0 <= known.changed <= known.observations
            rate = known.rate
            if rate is not None:
                assert 0.0 <= rate.per_s_low <= rate.per_s <= rate.per_s_high
                assert isfinite(rate.per_s)
                assert 0.0 <= rate.noise_share <= 0.9 + 1e-9


class Predictions(RuleBasedStateMachine):
    """Any watching, using and waiting: every prediction ends once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.model = ReusePredictor(uniform=random.Random(1).random, pending_max=20)
        self.history = UseHistory(keys_max=5)
        self.watched = 0

    @rule(key=KEYS, horizon_s=st.floats(1e-3, 1e4), category=st.sampled_from("ab"))
    def watch(self, key: bytes, horizon_s: float, category: str) -> None:
        facts = self.history.facts(
            key, self.now_s, category=category, tenant="t", size_bytes=10, hour=0.0
        )
        self.model.watch(key, facts, horizon_s, self.now_s)
        self.watched += 1
        assert 0.0 <= self.model.probability(facts, horizon_s) <= 1.0

    @rule(key=KEYS)
    def use(self, key: bytes) -> None:
        self.model.used(key, self.now_s)
        self.history.use(key, self.now_s)

    @rule(seconds=st.floats(0, 1e4), outcomes_max=st.integers(0, 30))
    def wait(self, seconds: float, outcomes_max: int) -> None:
        self.now_s += seconds
        assert self.model.expire(self.now_s, outcomes_max) <= outcomes_max

    @invariant()
    def books_add_up(self) -> None:
        report = self.model.report()
        assert report.outcomes + report.pending + report.dropped == self.watched
        assert sum(map(len, self.model._unused.values())) <= report.pending <= 20
        assert report.answering in NAMES
        assert all(loss >= 0.0 for loss in report.log_losses.values())
        assert len(self.history) <= 5


class Prefetching(RuleBasedStateMachine):
    """Any answers, prices and uses: never above the budget, and all that was paid has an end."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.plan = PrefetchPlanner(
            usd_per_hour=3.6,
            usd_per_second=0.01,
            reuse=lambda key, life_s: (key[0] % 10) / 10,
            now_s=0.0,
            expiring_max=6,
            paid_max=3,
        )

    @rule(key=KEYS, life_s=st.floats(0.1, 1e3), cost_usd=st.floats(0, 1), seconds=st.floats(0, 60))
    def watch(self, key: bytes, life_s: float, cost_usd: float, seconds: float) -> None:
        upstream = "even" if key[0] % 2 else "odd"
        self.plan.watch(Expiring(key, self.now_s + life_s, life_s, cost_usd, seconds, upstream))

    @rule(key=KEYS)
    def use(self, key: bytes) -> None:
        self.plan.used(key, self.now_s)

    @rule(key=KEYS)
    def forget(self, key: bytes) -> None:
        self.plan.forget(key)

    @rule(key=KEYS)
    def leave(self, key: bytes) -> None:
        self.plan.left(key, self.now_s)

    @rule(key=KEYS, cost_usd=st.floats(0, 1), life_s=st.none() | st.floats(0.1, 1e3))
    def come(self, key: bytes, cost_usd: float, life_s: float | None) -> None:
        asked = self.plan._asked.get(key)
        estimated_usd = 0.0 if asked is None else asked.cost_usd
        # What a call costs more than the last one did may be above the budget, once.
        cost_usd = min(cost_usd, estimated_usd)
        self.plan.came(key, cost_usd, None if life_s is None else self.now_s + life_s)

    @rule(seconds=st.floats(0, 500), odd=st.integers(0, 3), answers_max=st.integers(0, 5))
    def ask(self, seconds: float, odd: int, answers_max: int) -> None:
        self.now_s += seconds
        chosen = self.plan.plan(self.now_s, {"odd": odd, "even": 0}, answers_max)
        assert len(chosen) <= min(answers_max, odd)
        assert all(each.upstream == "odd" for each in chosen)
        assert all(each.expires_s > self.now_s for each in chosen)
        assert len({each.key for each in chosen}) == len(chosen)

    @invariant()
    def books_add_up(self) -> None:
        report = self.plan.report
        waited_for = len(self.plan._paid) + len(self.plan._asked)
        assert report.planned == report.used + report.wasted + report.failed + waited_for
        assert report.spent_usd <= 3.6 * (0.1 + self.now_s / 3600.0) + 1e-6
        assert -1e-9 <= report.wasted_usd <= report.spent_usd + 1e-9
        assert len(self.plan) <= 6
        assert waited_for <= 3
        assert len(self.plan._ends) <= 12


TestLifetimes = Lifetimes.TestCase
TestLifetimes.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
TestPredictions = Predictions.TestCase
TestPredictions.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestPrefetching = Prefetching.TestCase
TestPrefetching.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
