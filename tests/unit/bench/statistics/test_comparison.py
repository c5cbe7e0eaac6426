"""Verdicts: when there is one, when there is none, and why."""

import math
from typing import Any

import numpy as np
import pytest

from headrace.bench import Comparison, Question, compare, compare_all, detectable
from headrace.bench.statistics.question import Cause, Runs

stats = pytest.importorskip("scipy.stats")

BEFORE = (412.1, 409.8, 415.0, 411.2, 408.9, 413.4, 410.7, 412.8, 409.1, 414.3)
WOBBLE = (0.3, -0.2, 0.1, -0.4, 0.2, 0.0, -0.1, 0.4, -0.3, 0.15)


def after(factor: float, wobble: float = 0.01) -> list[float]:
    """Runs that take `factor` times as long, give or take a few thousandths."""
    return [each * factor * (1 + wobble * w) for each, w in zip(BEFORE, WOBBLE, strict=True)]


def asked(a: Runs, b: Runs, **terms: Any) -> Comparison:
    return compare(a, b, Question(metric="p99_ms", **terms), np.random.default_rng(1))


@pytest.mark.parametrize("is_paired", [True, False])
@pytest.mark.parametrize(
    ("factor", "better", "verdict"),
    [
        (1.05, "lower", "worse"),
        (0.95, "lower", "better"),
        (1.05, "higher", "better"),
        (0.95, "higher", "worse"),
        (1.0, "lower", "equivalent"),
        (1.02, "lower", "inconclusive"),
    ],
)
def test_verdicts(factor: float, better: str, verdict: str, *, is_paired: bool) -> None:
    answer = asked(BEFORE, after(factor), better=better, is_paired=is_paired)
    assert answer.verdict == verdict
    assert answer.estimate is not None
    assert answer.estimate.effect == pytest.approx(factor, rel=1e-3)
    assert answer.estimate.interval.low < factor < answer.estimate.interval.high
    assert answer.estimate.typical.estimate == pytest.approx(factor, rel=2e-3)
    assert answer.estimate.runs == (10, 10)
    assert answer.lost == (0, 0)


def test_noise_is_inconclusive_and_says_how_many_pairs_would_do() -> None:
    answer = asked(BEFORE, after(1.0, wobble=0.5))
    assert (answer.verdict, answer.cause) == ("inconclusive", "too_wide")
    assert answer.estimate is not None
    assert answer.estimate.runs_needed is not None
    assert f"about {answer.estimate.runs_needed} pairs" in answer.because


def test_without_a_margin_nothing_is_equivalent() -> None:
    answer = asked(BEFORE, after(1.0), margin=0.0)
    assert answer.verdict == "inconclusive"
    assert answer.estimate is not None
    assert (answer.estimate.runs_needed, answer.estimate.p_equivalent > 0.4) == (None, True)


def test_differences_have_a_margin_in_their_own_unit() -> None:
    a = [0.0, 1.0, -1.0, 0.5, 0.2, -0.4, 0.1]
    b = [each + 5.0 + w for each, w in zip(a, WOBBLE, strict=False)]
    assert asked(a, b, scale="difference", margin=4.0).verdict == "worse"
    assert asked(a, b, scale="difference", margin=6.0).verdict == "equivalent"
    estimate = asked(a, b, scale="difference", margin=4.0).estimate
    assert estimate is not None
    assert estimate.centre_b - estimate.centre_a == pytest.approx(estimate.effect)


def test_p_of_equivalence_is_that_of_two_t_tests() -> None:
    b = after(1.005, wobble=0.02)
    logs = np.log(b) - np.log(BEFORE)
    t = stats.ttest_1samp(logs, math.log(1.02), alternative="less").pvalue
    paired = asked(BEFORE, b).estimate
    assert paired is not None
    assert paired.p_equivalent == pytest.approx(t)
    welch = stats.ttest_ind(
        np.log(b) - math.log(1.02), np.log(BEFORE), equal_var=False, alternative="less"
    )
    unpaired = asked(BEFORE, b, is_paired=False).estimate
    assert unpaired is not None
    assert unpaired.p_equivalent == pytest.approx(welch.pvalue)


@pytest.mark.parametrize("is_paired", [True, False])
@pytest.mark.parametrize(
    ("a", "b", "cause"),
    [
        ((), (), "too_few_runs"),
        ((1.0,), (2.0,), "too_few_runs"),
        (BEFORE[:5], after(2.0)[:5], "too_few_runs"),
        (BEFORE, [None] * 10, "failed_runs"),
        (BEFORE, [*after(0.5)[:9], None], "failed_runs"),
        ([None, *BEFORE[:9]], after(0.5), "failed_runs"),
        (BEFORE, [*after(0.5)[:9], math.nan], "not_finite"),
        (BEFORE, [*after(0.5)[:9], math.inf], "not_finite"),
        (BEFORE, [*after(0.5)[:9], 0.0], "not_positive"),
        ([-1.0, *BEFORE[:9]], after(0.5), "not_positive"),
        ([7.0] * 10, [7.0] * 10, "no_variation"),
        ([7.0] * 10, [8.0] * 10, "no_variation"),
    ],
)
def test_what_carries_no_verdict(a: Runs, b: Runs, cause: Cause, *, is_paired: bool) -> None:
    answer = asked(a, b, is_paired=is_paired)
    assert (answer.verdict, answer.cause) == ("insufficient", cause)
    assert answer.because
    if answer.estimate is not None:
        assert math.isfinite(answer.estimate.effect)


def test_what_is_left_of_failed_runs_is_told_without_a_verdict() -> None:
    answer = asked(BEFORE, [*after(1.5)[:8], None, None])
    assert answer.lost == (0, 2)
    assert "0 of 10 runs of A and 2 of 10 of B failed" in answer.because
    assert answer.estimate is not None
    assert answer.estimate.runs == (8, 8)


def test_runs_that_only_repeat_a_factor_do_not_vary() -> None:
    answer = asked(BEFORE, [each * 1.5 for each in BEFORE])
    assert answer.cause == "no_variation"


def test_higher_levels_want_more_runs() -> None:
    assert Question(metric="x").runs_least() == 6
    assert Question(metric="x", is_paired=False).runs_least() == 6
    assert Question(metric="x", level=0.99).runs_least() == 8
    answer = asked(BEFORE[:7], after(2.0)[:7], level=0.99)
    assert answer.cause == "too_few_runs"


def test_the_same_seed_gives_the_same_answer() -> None:
    assert asked(BEFORE, after(1.03)) == asked(BEFORE, after(1.03))


def test_arms_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        asked(BEFORE, after(1.0)[:9])
    assert asked(BEFORE, after(2.0)[:7], is_paired=False).verdict == "worse"


@pytest.mark.parametrize(
    "terms", [{"margin": -0.1}, {"margin": math.nan}, {"level": 95.0}, {"resamples": 10}]
)
def test_questions_that_make_no_sense_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not"):
        Question(metric="x", **terms)


def test_many_questions_are_one_family() -> None:
    """One of twenty that is found alone, at a p of a few per cent, is not found among them."""
    rng = np.random.default_rng(11)
    runs: dict[str, tuple[Runs, Runs]] = {
        f"m{n}": tuple(np.exp(rng.normal(0, 0.02, size=(2, 10))).tolist()) for n in range(19)
    }
    runs["p99_ms"] = (BEFORE, after(1.012, wobble=0.05))
    questions = tuple(Question(metric=name, margin=0.0) for name in runs)
    alone = compare(*runs["p99_ms"], questions[-1], np.random.default_rng(1))
    together = compare_all(runs, questions, np.random.default_rng(1))
    assert alone.verdict == "worse"
    assert {each.verdict for each in together} == {"inconclusive"}
    assert together[-1].estimate is not None


def test_questions_stay_with_their_answers() -> None:
    runs: dict[str, tuple[Runs, Runs]] = {
        "bad": (BEFORE, [None] * 10),
        "slow": (BEFORE, after(1.5)),
        "same": (BEFORE, after(1.0)),
    }
    questions = tuple(Question(metric=name) for name in ("same", "bad", "slow"))
    answers = compare_all(runs, questions, np.random.default_rng(0))
    assert [each.verdict for each in answers] == ["equivalent", "insufficient", "worse"]
    assert [each.question for each in answers] == [*questions]


def test_a_question_without_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="no runs of x"):
        compare_all({}, (Question(metric="x"),), np.random.default_rng(0))


def test_what_is_said_to_be_detectable_is_told_by_the_verdict() -> None:
    """Eight times out of ten, margin and all: the same rule decides."""
    dice = np.random.default_rng(11)
    question = Question(metric="x", margin=0.02, scale="difference", resamples=999)
    sd, runs, told = 0.02, 12, 0
    change = question.margin + detectable(sd, runs)
    for _ in range(200):
        first = dice.normal(1.0, 0.001, runs)
        second = first + dice.normal(change, sd, runs)
        told += compare(first, second, question, dice).verdict == "worse"
    assert 0.68 <= told / 200 <= 0.92


@pytest.mark.parametrize(("is_paired", "least"), [(True, 7), (False, 6)])
def test_many_questions_need_more_runs(*, is_paired: bool, least: int) -> None:
    """What no figures could answer is told as that, with how many runs it takes."""
    runs: dict[str, tuple[Runs, Runs]] = {f"m{n}": (BEFORE, after(1.5)) for n in range(2)}
    questions = tuple(Question(metric=name, is_paired=is_paired) for name in runs)

    def answers(count: int) -> set[str]:
        few: dict[str, tuple[Runs, Runs]] = {
            name: (a[:count], b[:count]) for name, (a, b) in runs.items()
        }
        found = compare_all(few, questions, np.random.default_rng(0))
        assert all(f"below {least} with 2 questions" in each.because for each in found) == (
            count < least
        )
        return {each.verdict for each in found}

    assert answers(least - 1) == {"insufficient"}
    assert answers(least) == {"worse"}


def test_so_few_runs_that_no_family_can_be_told_have_an_estimate() -> None:
    runs: dict[str, tuple[Runs, Runs]] = {f"m{n}": (BEFORE[:6], after(2.0)[:6]) for n in range(5)}
    questions = tuple(Question(metric=name) for name in runs)
    (first, *_) = compare_all(runs, questions, np.random.default_rng(0))
    assert (first.verdict, first.cause) == ("insufficient", "too_few_runs")
    assert "6 pairs; no verdict is possible below 8 with 5 questions" in first.because
    assert first.estimate is not None
    assert first.estimate.effect == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("is_paired", [True, pytest.param(False, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("runs", [2, *(pytest.param(n, marks=pytest.mark.heavy) for n in (3, 5))])
def test_intervals_of_too_few_runs_hold_the_truth_as_often_as_they_say(
    runs: int, *, is_paired: bool
) -> None:
    """Nothing is decided by them, but they are told, and both of two are often on one side."""
    dice = np.random.default_rng(runs)
    question = Question(metric="x", scale="difference", is_paired=is_paired, resamples=999)
    held = 0
    for _ in range(400):
        told = compare(dice.normal(5, 1, runs), dice.normal(6, 1, runs), question, dice)
        assert told.estimate is not None
        held += told.estimate.interval.low <= 1.0 <= told.estimate.interval.high
    assert held >= stats.binom.ppf(1e-4, 400, 0.95)


def test_figures_far_beyond_each_other_have_an_interval() -> None:
    answer = asked([1e-99, 1e99], [1e99, 1e-99])
    assert answer.estimate is not None
    assert math.isfinite(answer.estimate.interval.high)
