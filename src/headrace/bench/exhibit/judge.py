"""From trials to verdicts: arms compared measure by measure, with the trial as the unit. Pure."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from headrace.bench.exhibit.measures import COUNTED, Told
from headrace.bench.exhibit.results import Duel, Ending, Figures, Measure, Promise, Row
from headrace.bench.impact import Impact, Spent, Terms, impact
from headrace.bench.records import RunRecord
from headrace.bench.statistics.comparison import compare
from headrace.bench.statistics.figures import LEVEL, Interval
from headrace.bench.statistics.multiple import benjamini_hochberg
from headrace.bench.statistics.question import RUNS_LEAST, Comparison
from headrace.bench.statistics.resampling import (
    bootstrap_means,
    percentile_bounds,
    student_bounds,
    tail_of,
)

_PAIRS_LEAST: Final = 2


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One trial as it was measured.

    Attributes:
        arm: which.
        block: trials of one block were made side by side.
        figures: by name of the measure.
        record: of its run; None where it failed.
        why: it failed.
    """

    arm: str
    block: int
    figures: Told
    record: RunRecord | None
    why: str | None


class Sworn(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised before anything is measured.

    Attributes:
        text: in words.
        a: the baseline.
        b: what is promised to be better.
        measure: by which measure.
        least: by how much at least, as a share.
    """

    text: str
    a: str
    b: str
    measure: str
    least: float


def duel(
    seen: Sequence[Seen],
    arms: tuple[str, str],
    about: str,
    measures: Sequence[Measure],
    rng: np.random.Generator,
) -> Duel:
    """Compare two arms of one series, measure by measure.

    What is called different is called so with a false discovery rate of 5 % over the measures
    (Benjamini and Hochberg 1995).

    Args:
        seen: trials of the series.
        arms: the baseline, and what is compared with it.
        about: what the second has that the first has not.
        measures: what is compared.
        rng: chance for the bootstrap.
    """
    rows = []
    for measure in measures:
        a, b = (figures_of(seen, arm, measure.name) for arm in arms)
        if any(each is not None for each in (*a, *b)):
            answer = compare(a, b, measure.question, rng)
            rows.append(Row(measure=measure, a=a, b=b, answer=answer))
    answers = _discovered([row.answer for row in rows])
    return Duel(
        a=arms[0],
        b=arms[1],
        about=about,
        rows=tuple(
            msgspec.structs.replace(row, answer=answer)
            for row, answer in zip(rows, answers, strict=True)
        ),
    )


def figures_of(seen: Sequence[Seen], arm: str, measure: str) -> Figures:
    """One figure for each trial of an arm, in the order of blocks."""
    mine = sorted((each for each in seen if each.arm == arm), key=lambda each: each.block)
    return tuple(each.figures.get(measure) for each in mine)


def average_improvement(found: Duel, rng: np.random.Generator) -> tuple[float, Interval] | None:
    """How many times better B is, as the geometric mean over all measures with a ratio.

    Blocks are drawn as they are, with all of their measures, so that measures that move together
    count as what they are.

    Args:
        found: two arms.
        rng: chance for the bootstrap.

    Returns:
        None where fewer than two blocks have all of their figures.
    """
    logs = []
    for row in found.averaged:
        ratios = np.log(np.array(row.b, dtype=float)) - np.log(np.array(row.a, dtype=float))
        logs.append(ratios if row.measure.question.better == "higher" else -ratios)
    if not logs or len(logs[0]) < _PAIRS_LEAST:
        return None
    blocks = np.mean(np.array(logs), axis=0)
    value, runs = float(blocks.mean()), len(blocks)
    if runs < RUNS_LEAST:
        error = float(np.std(blocks, ddof=1)) / math.sqrt(runs)
        low, high = student_bounds(value, error, runs - 1.0, LEVEL)
    else:
        tail = tail_of(LEVEL, runs, runs - 1.0)
        low, high = map(float, percentile_bounds(bootstrap_means(blocks, rng), tail))
    return math.exp(value), Interval(low, high, LEVEL).exp()


def promise(
    sworn: Sworn, seen: Sequence[Seen], measure: Measure, rng: np.random.Generator
) -> Promise:
    """Hold what was promised against what was measured.

    Args:
        sworn: the promise.
        seen: trials of its series.
        measure: what it is about, by a ratio.
        rng: chance for the bootstrap.
    """
    a, b = (figures_of(seen, arm, measure.name) for arm in (sworn.a, sworn.b))
    improvement, interval, runs = None, None, 0
    ending: Ending = "open"
    if a and b:
        answer = compare(a, b, measure.question, rng)
        improvement, interval, runs = _improvement(answer)
        ending = _ending(answer, interval, sworn.least)
    return Promise(
        text=sworn.text,
        a=sworn.a,
        b=sworn.b,
        measure=measure.label,
        least=sworn.least,
        improvement=improvement,
        interval=interval,
        runs=runs,
        ending=ending,
    )


def worth(
    seen: Sequence[Seen], arms: tuple[str, str], terms: Terms, rng: np.random.Generator
) -> Impact | None:
    """What lies between two arms in dollars; None where a trial has no such figures."""
    a, b = (_spent(seen, arm) for arm in arms)
    if not a or not b or len(a) != len(b):
        return None
    return impact(a, b, terms, rng)


def _spent(seen: Sequence[Seen], arm: str) -> list[Spent]:
    """Trials in dollars; none where one of them does not tell."""
    found = []
    for told in zip(*(figures_of(seen, arm, name) for name in COUNTED), strict=True):
        usd, answered, good, kept = told
        if usd is None or answered is None or good is None or kept is None:
            return []
        found.append(Spent(usd=usd, answered=answered, good=good, kept_per_s=kept))
    return found


def _discovered(answers: Sequence[Comparison]) -> list[Comparison]:
    """Take back what is called different among so many questions by chance alone."""
    asked = [each for each in answers if each.verdict in {"better", "worse"}]
    estimates = [each.estimate for each in answers if each.verdict != "insufficient"]
    adjusted = benjamini_hochberg([e.p_difference for e in estimates if e is not None])
    by_question = dict(
        zip(
            [e.question.metric for e in answers if e.verdict != "insufficient"],
            adjusted,
            strict=True,
        )
    )
    doubted = {e.question.metric for e in asked if by_question[e.question.metric] > 1 - LEVEL}
    return [
        msgspec.structs.replace(
            each,
            verdict="inconclusive",
            cause="too_wide",
            because="Among so many questions, chance alone finds as much.",
        )
        if each.question.metric in doubted
        else each
        for each in answers
    ]


def _improvement(answer: Comparison) -> tuple[float | None, Interval | None, int]:
    """By which share B is better: lower by it, or higher by it."""
    found = answer.estimate
    if found is None:
        return None, None, 0
    low, high, runs = found.interval.low, found.interval.high, min(found.runs)
    if answer.question.better == "lower":
        return 1.0 - found.effect, Interval(1.0 - high, 1.0 - low, LEVEL), runs
    return found.effect - 1.0, Interval(low - 1.0, high - 1.0, LEVEL), runs


def _ending(answer: Comparison, interval: Interval | None, least: float) -> Ending:
    if interval is None or answer.verdict == "insufficient":
        return "open"
    if interval.low >= least:
        return "kept"
    return "missed" if interval.high < least else "open"
