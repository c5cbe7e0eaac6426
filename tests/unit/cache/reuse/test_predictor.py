"""Reuse is learned where it can be, and a baseline answers where it cannot."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from headrace.cache.reuse.facts import UseFacts, UseHistory
from headrace.cache.reuse.predictor import CATEGORY, INTERVAL, LEARNED, ReusePredictor

HORIZON_S = 600.0


def facts(interval_s: float = 0.0, hits: int = 0, size_bytes: int = 2000) -> UseFacts:
    return UseFacts("chat", "t", size_bytes, 12.0, 0.0, 0.0, hits, interval_s)


class Case(NamedTuple):
    facts: UseFacts
    gap_s: float


def learn(predictor: ReusePredictor, cases: Iterator[Case], count: int) -> None:
    """Show one case after the other, each watched to its end."""
    now_s = 0.0
    for number in range(count):
        case = next(cases)
        key = b"%d" % number
        predictor.watch(key, case.facts, HORIZON_S, now_s)
        if case.gap_s < HORIZON_S:
            predictor.used(key, now_s + case.gap_s)
        now_s += HORIZON_S
        predictor.expire(now_s)


def predictor(**bounds: float) -> ReusePredictor:
    return ReusePredictor(uniform=random.Random(6).random, **bounds)  # type: ignore[arg-type]


def mixture(seed: int) -> Iterator[Case]:
    """Small answers come back, large ones hardly do: neither rate sees sizes."""
    dice = random.Random(seed)
    while True:
        known = (
            facts(hits=dice.randint(2, 20), interval_s=100.0)
            if dice.random() < 0.3
            else facts(size_bytes=dice.choice((200, 20_000)))
        )
        chance = 0.8 if known.hits else 0.7 if known.size_bytes == 200 else 0.05
        yield Case(known, dice.expovariate(1 / 100) if dice.random() < chance else 1e9)


def exponential(seed: int) -> Iterator[Case]:
    """Exactly what the category's rate assumes; hits and intervals tell nothing."""
    dice = random.Random(seed)
    while True:
        known = facts(hits=dice.randint(0, 20), interval_s=dice.choice((1.0, 50.0, 5000.0)))
        yield Case(known, dice.expovariate(1 / 400))


def test_what_is_learned_answers_where_it_is_better() -> None:
    model = predictor()
    learn(model, mixture(1), 1500)
    report = model.report()
    assert report.answering == LEARNED
    assert report.log_losses[LEARNED] < 0.9 * min(
        report.log_losses[CATEGORY], report.log_losses[INTERVAL]
    )
    assert 0.6 < model.probability(facts(size_bytes=200), HORIZON_S) < 0.8
    assert model.probability(facts(size_bytes=20_000), HORIZON_S) < 0.15


def test_what_is_learned_is_calibrated() -> None:
    model = predictor()
    learn(model, mixture(2), 3000)
    rows = [row for row in model.report().calibration[LEARNED] if row.count >= 100]
    assert rows
    assert all(abs(row.predicted - row.observed) < 0.12 for row in rows)


def test_a_baseline_answers_whenever_it_is_not_beaten() -> None:
    model = predictor()
    learn(model, exponential(3), 1500)
    report = model.report()
    best = min(report.log_losses, key=lambda name: report.log_losses[name])
    assert report.answering == best
    assert report.log_losses[LEARNED] <= report.log_losses[CATEGORY] * 1.1


def test_the_answer_goes_back_to_a_baseline_when_the_world_turns() -> None:
    model = predictor()
    learn(model, mixture(4), 1500)
    assert model.report().answering == LEARNED
    # What the facts have meant, they mean no more: only the share of uses remains.
    dice = random.Random(9)
    turned = (Case(case.facts, 10.0 if dice.random() < 0.5 else 1e9) for case in mixture(5))
    seen = set()
    now_s = 1e9
    for number in range(400):
        key = b"t%d" % number
        case = next(turned)
        model.watch(key, case.facts, HORIZON_S, now_s)
        if case.gap_s < HORIZON_S:
            model.used(key, now_s + case.gap_s)
        now_s += HORIZON_S
        model.expire(now_s)
        report = model.report()
        best = min(report.log_losses.values())
        assert report.log_losses[report.answering] == best
        seen.add(report.answering)
    assert report.log_losses[report.answering] < 0.75


def test_before_anything_is_known_the_category_answers() -> None:
    model = predictor()
    assert model.report().answering == CATEGORY
    assert 0.0 < model.probability(facts(), 60.0) < model.probability(facts(), 6000.0) < 1.0


def test_many_at_once_get_what_each_alone_gets() -> None:
    model = predictor()
    many = [facts(hits=hits, interval_s=10.0 * hits) for hits in range(5)]
    assert model.probabilities([], HORIZON_S) == []
    for _ in range(2):
        alone = [model.probability(each, HORIZON_S) for each in many]
        assert model.probabilities(many, HORIZON_S) == pytest.approx(alone)
        learn(model, mixture(1), 600)
    assert model.report().answering == LEARNED


def test_a_use_after_the_horizon_is_none() -> None:
    model = predictor()
    model.watch(b"a", facts(), HORIZON_S, 0.0)
    model.used(b"a", HORIZON_S)
    model.expire(HORIZON_S)
    report = model.report()
    assert (report.outcomes, report.used_share) == (1, 0.0)


def test_a_use_counts_for_every_prediction_of_its_key_and_no_other() -> None:
    model = predictor()
    for _ in range(3):
        model.watch(b"a", facts(), HORIZON_S, 0.0)
    model.watch(b"b", facts(), HORIZON_S, 0.0)
    model.used(b"a", 0.001)
    model.used(b"a", 1.0)
    assert model.expire(HORIZON_S - 1.0) == 0
    assert model.expire(HORIZON_S) == 4
    assert model.expire(HORIZON_S) == 0
    report = model.report()
    assert (report.outcomes, report.used_share, report.pending) == (4, 0.75, 0)


def test_what_is_used_is_learned_no_sooner_than_what_is_not() -> None:
    model = predictor()
    for number in range(200):
        model.watch(b"%d" % number, facts(), HORIZON_S, 0.0)
        if number % 4 == 0:
            model.used(b"%d" % number, 1.0)
    model.expire(HORIZON_S / 2, outcomes_max=200)
    assert model.report().outcomes == 0


def test_pending_predictions_are_bounded_and_nothing_is_left_of_those_that_ended() -> None:
    model = predictor(pending_max=50)
    for number in range(200):
        model.watch(b"%d" % number, facts(), 10.0, 0.0)
    assert (model.report().pending, model.report().dropped) == (50, 150)
    for number in range(0, 200, 2):
        model.used(b"%d" % number, 1.0)
    model.expire(10.0)
    assert model.report().pending == 0
    assert not model._unused


def test_learning_goes_in_small_steps() -> None:
    model = predictor()
    for number in range(100):
        model.watch(b"%d" % number, facts(), 10.0, 0.0)
    assert model.expire(10.0, outcomes_max=30) == 30
    assert model.report().pending == 70


def test_a_share_of_predictions_can_be_watched() -> None:
    model = predictor(watch_share=0.1)
    for number in range(2000):
        model.watch(b"%d" % number, facts(), 10.0, 0.0)
    assert 140 <= model.report().pending <= 260


def test_strange_facts_do_no_harm() -> None:
    model = predictor()
    strange = (
        UseFacts("\udcff" * 5, "", 0, -1.0, 0.0, 0.0, 0, 0.0),
        UseFacts("c" * 10_000, "\x00", 2**60, 25.0, 1e12, 1e12, 2**40, 1e-9),
    )
    for turn in range(200):
        for each in strange:
            model.watch(b"a", each, 10.0 ** (turn % 12 - 3), 0.0)
            model.used(b"a", 0.5)
    model.expire(1e12, outcomes_max=1000)
    assert model.report().outcomes == 400
    for name in range(3):
        model._best = name
        for each in strange:
            assert 0.0 <= model.probability(each, 60.0) <= 1.0


def test_history_tells_gaps_and_forgets_what_was_used_longest_ago() -> None:
    history = UseHistory(keys_max=2)

    def tell(key: bytes, now_s: float) -> UseFacts:
        return history.facts(key, now_s, category="c", tenant="t", size_bytes=1, hour=0.0)

    for now_s in (0.0, 10.0, 30.0):
        history.use(b"a", now_s)
    told = tell(b"a", 35.0)
    assert (told.age_s, told.idle_s, told.hits) == (35.0, 5.0, 2)
    assert told.interval_s == pytest.approx(10.0 + 0.3 * (20.0 - 10.0))
    history.use(b"b", 40.0)
    history.use(b"a", 41.0)
    history.use(b"c", 42.0)
    assert len(history) == 2
    assert tell(b"b", 50.0).hits == 0
    assert tell(b"a", 50.0).hits == 3


def test_history_survives_a_clock_that_goes_back() -> None:
    history = UseHistory()
    for now_s in (100.0, 50.0):
        history.use(b"a", now_s)
    told = history.facts(b"a", 40.0, category="c", tenant="t", size_bytes=1, hour=0.0)
    assert (told.age_s, told.idle_s, told.interval_s) == (0.0, 0.0, 0.0)
