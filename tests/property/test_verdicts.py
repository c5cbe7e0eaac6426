"""Verdicts, whatever the figures: never a crash, and never one that the figures do not carry."""

import math
from typing import Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.bench import Comparison, Question, compare

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.none()
POSITIVE = st.floats(0.5, 2.0)


def asked(a: list[float | None], b: list[float | None], question: Question) -> Comparison:
    return compare(a, b, question, np.random.default_rng(1))


def question(
    *, is_ratio: bool = True, is_paired: bool = True, better: Literal["lower", "higher"] = "lower"
) -> Question:
    scale: Literal["ratio", "difference"] = "ratio" if is_ratio else "difference"
    return Question(metric="x", scale=scale, is_paired=is_paired, better=better, resamples=999)


@settings(deadline=None, max_examples=60)
@given(
    a=st.lists(NUMBERS, max_size=9),
    b=st.lists(NUMBERS, max_size=9),
    is_ratio=st.booleans(),
)
def test_no_input_breaks_it(a: list[float | None], b: list[float | None], is_ratio: bool) -> None:
    answer = asked(a, b, question(is_ratio=is_ratio, is_paired=False))
    is_bad = any(x is None or not math.isfinite(x) for x in (*a, *b))
    if is_bad or min(len(a), len(b)) < 6:
        assert answer.verdict == "insufficient"


ARMS = st.lists(st.tuples(POSITIVE, POSITIVE), min_size=6, max_size=12)


@settings(deadline=None, max_examples=40)
@given(pairs=ARMS, is_paired=st.booleans())
def test_turning_the_arms_around_turns_the_verdict(
    pairs: list[tuple[float, float]], is_paired: bool
) -> None:
    a, b = map(list, zip(*pairs, strict=True))
    there = asked(a, b, question(is_paired=is_paired))
    back = asked(b, a, question(is_paired=is_paired))
    if there.estimate is None or back.estimate is None:
        return
    assert math.isclose(there.estimate.effect * back.estimate.effect, 1.0, rel_tol=1e-9)
    assert math.isclose(there.estimate.a12, 1 - back.estimate.a12, abs_tol=1e-9)
    assert math.isclose(there.estimate.p_difference, back.estimate.p_difference, rel_tol=1e-9)
    assert {there.verdict, back.verdict} != {"better"}
    assert {there.verdict, back.verdict} != {"worse"}


@settings(deadline=None, max_examples=40)
@given(pairs=ARMS, unit=st.sampled_from([1e-6, 1e3, 1e9]))
def test_the_unit_of_a_metric_changes_nothing(
    pairs: list[tuple[float, float]], unit: float
) -> None:
    a, b = map(list, zip(*pairs, strict=True))
    here = asked(a, b, question())
    there = asked([x * unit for x in a], [x * unit for x in b], question())
    if here.cause == "no_variation" or there.cause == "no_variation":
        return
    assert here.estimate is not None
    assert there.estimate is not None
    assert math.isclose(here.estimate.effect, there.estimate.effect, rel_tol=1e-9)
    assert math.isclose(here.estimate.interval.low, there.estimate.interval.low, rel_tol=1e-6)


@settings(deadline=None, max_examples=40)
@given(pairs=ARMS, better=st.sampled_from(["lower", "higher"]))
def test_a_verdict_agrees_with_its_own_figures(
    pairs: list[tuple[float, float]], better: Literal["lower", "higher"]
) -> None:
    a, b = map(list, zip(*pairs, strict=True))
    answer = asked(a, b, question(better=better))
    if answer.verdict in ("better", "worse"):
        assert answer.estimate is not None
        is_above = answer.estimate.interval.low > 1.02
        assert is_above or answer.estimate.interval.high < 1 / 1.02
        assert (answer.verdict == "better") == (is_above == (better == "higher"))
        assert answer.estimate.p_difference <= 0.05
