"""Two arms compared: by interval against margin, never by the absence of a small p.

The run is the unit: one figure for each fresh process. Requests of one run depend on each other,
and tests that pool them find changes where there are none.
"""

import math
from collections.abc import Mapping
from typing import TypeGuard

import numpy as np

from headrace.bench.statistics.distributions import FloatArray, student_cdf
from headrace.bench.statistics.figures import Interval
from headrace.bench.statistics.multiple import holm
from headrace.bench.statistics.power import detectable, runs_needed
from headrace.bench.statistics.question import (
    RUNS_LEAST,
    Cause,
    Comparison,
    Estimate,
    Question,
    Runs,
    Verdict,
)
from headrace.bench.statistics.ranks import Shift, rank_test, shift_between, shift_of_pairs
from headrace.bench.statistics.resampling import (
    bootstrap_means,
    percentile_bounds,
    sign_flip_p,
    student_bounds,
    tail_of,
)

# Spreads below this share of the figures are rounding.
_ROUNDING = 1e-12
_RUNS_TO_LOOK_AT = 2
# Beyond, squares leave the range of floats; nobody measures such figures.
_LARGEST = 1e100
_LOG_LARGEST = 700.0


def compare(a: Runs, b: Runs, question: Question, rng: np.random.Generator) -> Comparison:
    """Answer a question by the runs of both arms.

    Args:
        a: one figure for each run of the baseline; None where a run failed.
        b: the same of what is compared with it; for pairs, in the same order.
        question: what is asked.
        rng: chance for the bootstrap; the same seed gives the same answer.

    Raises:
        ValueError: pairs were asked for, and the arms are of different lengths.
    """
    return compare_all({question.metric: (a, b)}, (question,), rng)[0]


def compare_all(
    runs: Mapping[str, tuple[Runs, Runs]],
    questions: tuple[Question, ...],
    rng: np.random.Generator,
) -> tuple[Comparison, ...]:
    """Answer several questions about the same runs, as one family.

    Of the families in which nothing differs, at most 1 - level name anything better or worse: the
    p of all questions are adjusted together by Holm, those of equivalence likewise. The more
    questions, the more runs each of them needs to be answered at all.

    Args:
        runs: both arms for each metric that a question names, as `compare` takes them.
        questions: what is asked.
        rng: chance for the bootstrap.

    Raises:
        ValueError: a question names no metric of `runs`, or as in `compare`.
    """
    missing = sorted({each.metric for each in questions} - set(runs))
    if missing:
        raise ValueError(f"no runs of {', '.join(missing)}")
    family = len(questions)
    read = [_read(*runs[each.metric], each, family, rng) for each in questions]
    asked = [each for each in read if isinstance(each, Estimate)]
    differ = iter(holm([each.p_difference for each in asked]))
    same = iter(holm([each.p_equivalent for each in asked]))
    return tuple(
        _decide(each, question, next(differ), next(same)) if isinstance(each, Estimate) else each
        for each, question in zip(read, questions, strict=True)
    )


def _read(
    a: Runs, b: Runs, question: Question, family: int, rng: np.random.Generator
) -> Estimate | Comparison:
    """What the runs come to, or why they carry no verdict."""
    if question.is_paired and len(a) != len(b):
        raise ValueError(f"{question.metric}: {len(a)} runs of A and {len(b)} of B are no pairs")
    usable_a, usable_b = _usable(a, question), _usable(b, question)
    lost = (int(np.sum(~usable_a)), int(np.sum(~usable_b)))
    if question.is_paired:
        usable_a = usable_b = usable_a & usable_b
    kept_a, kept_b = _kept(a, usable_a, question), _kept(b, usable_b, question)
    estimate = None
    if min(len(kept_a), len(kept_b)) >= _RUNS_TO_LOOK_AT:
        estimate = _estimate(kept_a, kept_b, question, rng)
    refusal = _refusal(a, b, lost)
    if refusal is None:
        refusal = _too_little(kept_a, kept_b, question, family)
    if refusal is None and estimate is not None:
        return estimate
    cause, because = refusal or ("too_few_runs", "There are too few runs.")
    return Comparison(
        question=question,
        verdict="insufficient",
        cause=cause,
        because=because,
        lost=lost,
        estimate=estimate,
    )


def _usable(runs: Runs, question: Question) -> np.typing.NDArray[np.bool_]:
    least = 1.0 / _LARGEST if question.scale == "ratio" else -_LARGEST
    is_usable = [_is_figure(each) and each >= least for each in runs]
    return np.array(is_usable, dtype=np.bool_)


def _is_figure(run: float | None) -> TypeGuard[float]:
    return run is not None and abs(run) <= _LARGEST


def _kept(runs: Runs, usable: np.typing.NDArray[np.bool_], question: Question) -> FloatArray:
    kept = [each for each, is_kept in zip(runs, usable, strict=True) if is_kept]
    values = np.array(kept, dtype=np.float64)
    return np.log(values) if question.scale == "ratio" else values


def _refusal(a: Runs, b: Runs, lost: tuple[int, int]) -> tuple[Cause, str] | None:
    """Why runs that are not all figures carry no verdict."""
    both = (*a, *b)
    if any(each is None for each in both):
        failed = [sum(each is None for each in arm) for arm in (a, b)]
        return "failed_runs", (
            f"{failed[0]} of {len(a)} runs of A and {failed[1]} of {len(b)} of B failed; what is "
            "left are those that went well, which says nothing of the rest."
        )
    if not all(map(_is_figure, both)):
        return "not_finite", f"Of {sum(lost)} figures some are no number, or infinite."
    if any(lost):
        return "not_positive", (
            f"{sum(lost)} figures are 0 or below, which have no ratio; ask for the difference."
        )
    return None


def _too_little(
    kept_a: FloatArray, kept_b: FloatArray, question: Question, family: int
) -> tuple[Cause, str] | None:
    """Why figures carry no verdict, whatever they are."""
    fewest, least = min(len(kept_a), len(kept_b)), question.runs_least(family)
    if fewest < least:
        what = "pairs" if question.is_paired else "runs of an arm"
        among = f" with {family} questions at once" if family > 1 else ""
        return "too_few_runs", f"{fewest} {what}; no verdict is possible below {least}{among}."
    if not _varies(kept_a, kept_b, question):
        return "no_variation", (
            "The runs do not vary, so nothing tells chance from change; the clock may be too "
            "coarse, or the same figure was read each time."
        )
    return None


def _varies(a: FloatArray, b: FloatArray, question: Question) -> bool:
    size = max(float(np.max(np.abs(a))), float(np.max(np.abs(b))))
    if question.scale == "ratio":
        size = max(size, 1.0)  # they are logs, which are 0 where the figure is 1
    return _spread(a, b, question) > _ROUNDING * size


def _spread(a: FloatArray, b: FloatArray, question: Question) -> float:
    """Standard deviation of the differences of pairs, or of one arm, both arms pooled."""
    if question.is_paired:
        return float(np.std(b - a, ddof=1))
    freedom = len(a) + len(b) - 2
    squares = np.sum((a - a.mean()) ** 2) + np.sum((b - b.mean()) ** 2)
    return math.sqrt(float(squares) / freedom)


def _estimate(
    a: FloatArray, b: FloatArray, question: Question, rng: np.random.Generator
) -> Estimate:
    """Everything that is told of two arms; they come as logs where a ratio is asked for."""
    is_ratio, fewest = question.scale == "ratio", min(len(a), len(b))
    effect = float(b.mean() - a.mean())
    error, freedom = _error(a, b, question)
    interval = _interval(a, b, question, rng)
    ranks = rank_test(a, b)
    p_difference = ranks.p
    if question.is_paired:
        p_difference = float(sign_flip_p(b - a, rng, question.resamples))
    shift = (
        shift_of_pairs(b - a, question.level)
        if question.is_paired
        else shift_between(a, b, question.level)
    )
    margin, sd = _margin(question), _spread(a, b, question)
    # A verdict wants all of the interval beyond the margin.
    seen = margin + detectable(sd, fewest, level=question.level, is_paired=question.is_paired)
    return Estimate(
        runs=(len(a), len(b)),
        centre_a=math.exp(a.mean()) if is_ratio else float(a.mean()),
        centre_b=math.exp(b.mean()) if is_ratio else float(b.mean()),
        effect=math.exp(effect) if is_ratio else effect,
        interval=interval.exp() if is_ratio else interval,
        p_difference=p_difference,
        p_mann_whitney=ranks.p,
        p_equivalent=_equivalence_p(effect, error, freedom, margin),
        a12=ranks.a12,
        cliffs_delta=ranks.cliffs_delta,
        typical=Shift(math.exp(shift.estimate), shift.interval.exp()) if is_ratio else shift,
        detectable=math.expm1(min(seen, _LOG_LARGEST)) if is_ratio else seen,
        runs_needed=runs_needed(margin, sd, level=question.level, is_paired=question.is_paired),
    )


def _interval(
    a: FloatArray, b: FloatArray, question: Question, rng: np.random.Generator
) -> Interval:
    """Where the effect lies; of a ratio as logs, as far as those have one."""
    fewest, level = min(len(a), len(b)), question.level
    error, freedom = _error(a, b, question)
    if fewest < RUNS_LEAST:
        low, high = student_bounds(float(b.mean() - a.mean()), error, freedom, level)
    else:
        tail = tail_of(level, fewest, freedom)
        low, high = map(float, percentile_bounds(_draws(a, b, question, rng), tail))
    if question.scale == "ratio":
        low, high = max(low, -_LOG_LARGEST), min(high, _LOG_LARGEST)
    return Interval(low, high, level)


def _draws(
    a: FloatArray, b: FloatArray, question: Question, rng: np.random.Generator
) -> FloatArray:
    if question.is_paired:
        return bootstrap_means(b - a, rng, question.resamples)
    draws_a = bootstrap_means(a, rng, question.resamples)
    return bootstrap_means(b, rng, question.resamples) - draws_a


def _error(a: FloatArray, b: FloatArray, question: Question) -> tuple[float, float]:
    """Standard error of the effect and its degrees of freedom (Welch for unpaired arms)."""
    if question.is_paired:
        return float(np.std(b - a, ddof=1)) / math.sqrt(len(a)), len(a) - 1.0
    of_a, of_b = float(np.var(a, ddof=1)) / len(a), float(np.var(b, ddof=1)) / len(b)
    total = of_a + of_b
    if total == 0.0:
        return 0.0, len(a) + len(b) - 2.0
    freedom = 1.0 / ((of_a / total) ** 2 / (len(a) - 1) + (of_b / total) ** 2 / (len(b) - 1))
    return math.sqrt(total), freedom


def _equivalence_p(effect: float, error: float, freedom: float, margin: float) -> float:
    """The larger p of the two one-sided t tests against the margins (Schuirmann 1987)."""
    room = margin - abs(effect)
    if error == 0.0:
        return 0.0 if room > 0.0 else 1.0
    return 1.0 - student_cdf(room / error, freedom)


def _margin(question: Question) -> float:
    return math.log1p(question.margin) if question.scale == "ratio" else question.margin


def _decide(
    estimate: Estimate, question: Question, p_difference: float, p_equivalent: float
) -> Comparison:
    verdict, cause, because = _verdict(estimate, question, p_difference, p_equivalent)
    return Comparison(
        question=question,
        verdict=verdict,
        cause=cause,
        because=because,
        lost=(0, 0),
        estimate=estimate,
    )


def _verdict(
    estimate: Estimate, question: Question, p_difference: float, p_equivalent: float
) -> tuple[Verdict, Cause, str]:
    is_ratio, risk = question.scale == "ratio", 1.0 - question.level
    above = 1.0 + question.margin if is_ratio else question.margin
    below = 1.0 / above if is_ratio else -above
    interval = estimate.interval
    if p_difference <= risk and (interval.low > above or interval.high < below):
        is_better = (interval.low > above) == (question.better == "higher")
        verdict: Verdict = "better" if is_better else "worse"
        return verdict, "beyond_margin", "The whole interval lies beyond the margin."
    if p_equivalent <= risk:
        return "equivalent", "within_margin", "The effect lies within the margin on both sides."
    needed = estimate.runs_needed or 0
    what = "pairs" if question.is_paired else "runs of each arm"
    more = ""
    if needed > min(estimate.runs):
        more = f"; about {needed} {what} would tell a change of twice the margin"
    return "inconclusive", "too_wide", f"Neither a change nor its absence is shown{more}."
