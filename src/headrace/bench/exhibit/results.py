"""What a showcase found: nouns without behaviour, and all that a report needs."""

from typing import Literal

import msgspec

from headrace.bench.impact import Impact
from headrace.bench.statistics.figures import Interval
from headrace.bench.statistics.question import Comparison, Question

Figures = tuple[float | None, ...]
"""One figure for each trial, in the order of blocks; None where a trial has none."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """Something of which every trial has one figure.

    Attributes:
        name: for programs.
        label: for people.
        unit: of its figures; empty for shares and counts.
        about: what it is, in a sentence.
        question: what is asked of two arms.
    """

    name: str
    label: str
    unit: str
    about: str
    question: Question


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of two arms.

    Attributes:
        measure: which.
        a: figures of A.
        b: figures of B.
        answer: the verdict, with its interval.
    """

    measure: Measure
    a: Figures
    b: Figures
    answer: Comparison


class Duel(msgspec.Struct, frozen=True, kw_only=True):
    """Two arms of one series.

    Attributes:
        a: name of the baseline.
        b: name of what is compared with it.
        about: what B has that A has not.
        rows: one for each measure.
    """

    a: str
    b: str
    about: str
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row | None:
        """The row of a measure; None where it was not measured."""
        return next((row for row in self.rows if row.measure.name == name), None)

    @property
    def averaged(self) -> tuple[Row, ...]:
        """Rows that an average of ratios may take: of a ratio, with a figure of every trial."""
        return tuple(
            row
            for row in self.rows
            if row.measure.question.scale == "ratio"
            and row.answer.estimate is not None
            and row.answer.lost == (0, 0)
        )


Ending = Literal["kept", "missed", "open"]


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What was promised beforehand, and what came of it.

    Attributes:
        text: what was promised.
        a: the baseline.
        b: what should be better.
        measure: label of what was measured.
        least: the improvement that keeps it, as a share: 0.2 for a fifth.
        improvement: what was found; None where there is no figure.
        interval: where that lies.
        runs: pairs of trials.
        ending: `kept`, the whole interval keeps it; `missed`, none of it does; else `open`.
    """

    text: str
    a: str
    b: str
    measure: str
    least: float
    improvement: float | None
    interval: Interval | None
    runs: int
    ending: Ending


class Range(msgspec.Struct, frozen=True):
    """The median of some trials, and the least and the most of them."""

    mid: float
    low: float
    high: float


class Curve(msgspec.Struct, frozen=True):
    """Points of a line, with the arm they are of."""

    arm: str
    points: tuple[tuple[float, float], ...]


class LoadPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one offered load.

    Attributes:
        arm: which.
        offered_per_s: requests that were intended.
        p95_ms: of those that succeeded; None where nothing did.
        good_per_s: that kept the limits of a good one.
    """

    arm: str
    offered_per_s: float
    p95_ms: Range | None
    good_per_s: Range


class Span(msgspec.Struct, frozen=True):
    """A phase of the timeline, in seconds."""

    name: str
    from_s: float
    to_s: float


class Shift(msgspec.Struct, frozen=True):
    """How much a quantile moved.

    Attributes:
        share: which quantile.
        effect: B over A.
        interval: where that lies.
    """

    share: float
    effect: float
    interval: Interval


class Pictures(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn beside the verdicts. Requests of all trials together: to look at, not to judge.

    Attributes:
        percentiles: latency in ms by share of requests, of the day.
        loads: by offered load.
        spans: phases of a trial.
        timeline: median latency in ms by time.
        shifts: of the day, by quantile, with the trial as the unit.
    """

    percentiles: tuple[Curve, ...] = ()
    loads: tuple[LoadPoint, ...] = ()
    spans: tuple[Span, ...] = ()
    timeline: tuple[Curve, ...] = ()
    shifts: tuple[Shift, ...] = ()


class Showcase(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        title: what was shown.
        facts: how and where: names and values, for people.
        command: that does it again.
        speed: how much faster than a real model the simulated one was.
        main: everything off against everything on.
        control: everything off against itself: whatever is found here is chance; None where that
            was not measured.
        alone: each optimisation against its baseline.
        average_improvement: the mean over the measures of `main` that have a ratio, by how many
            times it is better; None where too few trials went well.
        promises: what was promised.
        impact: what it is worth; None where too few trials went well.
        pictures: what is drawn.
        notes: what else has to be said, such as trials that failed and why.
    """

    title: str
    facts: dict[str, str]
    command: str
    speed: float
    main: Duel
    control: Duel | None
    alone: tuple[Duel, ...]
    average_improvement: tuple[float, Interval] | None
    promises: tuple[Promise, ...]
    impact: Impact | None
    pictures: Pictures
    notes: tuple[str, ...] = ()
