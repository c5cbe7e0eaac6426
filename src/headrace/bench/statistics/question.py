"""What is asked of two arms, fixed before anything is measured, and what may be answered."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from headrace.bench.statistics.figures import LEVEL, Interval, check_level
from headrace.bench.statistics.ranks import Shift, mann_whitney_p_least
from headrace.bench.statistics.resampling import RESAMPLES, sign_flip_p_least

Verdict = Literal["better", "worse", "equivalent", "inconclusive", "insufficient"]
"""What B is against A. `inconclusive`: these runs leave it open. `insufficient`: no verdict could
be reached whatever the figures are, for what was measured does not carry one."""

Cause = Literal[
    "beyond_margin",
    "within_margin",
    "too_wide",
    "failed_runs",
    "not_finite",
    "not_positive",
    "too_few_runs",
    "no_variation",
]
"""Why the verdict is what it is."""

RUNS_LEAST = 6
"""Fewer runs than this of an arm never make a verdict, whatever the level."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to two arms.

    Attributes:
        metric: what is measured, as reports call it.
        better: whether lower or higher figures are better.
        margin: the smallest change that matters: 0.02 for 2 %; with `difference`, in the metric's
            own unit. With 0 any change matters, and nothing is ever equivalent.
        scale: `ratio` compares logs, so that the effect is B over A by geometric means; it wants
            figures above 0. `difference` compares as they are.
        is_paired: whether the runs of both arms were made in pairs, side by side.
        level: of intervals; 1 - level is how often a test may be wrong.
        resamples: draws of the bootstrap.

    Raises:
        ValueError: a margin below 0, a level outside 0 to 1, or fewer than 999 resamples.
    """

    metric: str
    better: Literal["lower", "higher"] = "lower"
    margin: float = 0.02
    scale: Literal["ratio", "difference"] = "ratio"
    is_paired: bool = True
    level: float = LEVEL
    resamples: int = RESAMPLES

    def __post_init__(self) -> None:
        check_level(self.level)
        if not 0.0 <= self.margin < float("inf"):
            raise ValueError(f"a margin is 0 or more, not {self.margin}")
        if self.resamples < 999:
            raise ValueError(f"at least 999 resamples, not {self.resamples}")

    def runs_least(self, questions: int = 1) -> int:
        """The fewest pairs, or runs of each arm, that its test could find anything with.

        Args:
            questions: in its family: so many times smaller its p has to be, by Holm.
        """
        runs = RUNS_LEAST
        least = sign_flip_p_least if self.is_paired else _unpaired_p_least
        while least(runs) * questions > 1.0 - self.level:
            runs += 1
        return runs


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs of two arms come to.

    Attributes:
        runs: runs of A and of B that were counted.
        centre_a: the geometric mean of A, or its mean for a difference.
        centre_b: the same of B.
        effect: B over A, or B minus A.
        interval: where the effect lies.
        p_difference: two-sided p that there is no difference at all: by flipping signs for pairs,
            else by Mann and Whitney.
        p_mann_whitney: by ranks, pairs not regarded.
        p_equivalent: p that the effect lies outside the margin (two one-sided t tests).
        a12: how often a run of B is above one of A.
        cliffs_delta: 2 a12 - 1.
        typical: the effect by Hodges and Lehmann, which single wild runs hardly move.
        detectable: the smallest change that as many runs show to lie beyond the margin 8 times
            out of 10.
        runs_needed: pairs, or runs of each arm, that show a change of twice the margin 8 times out
            of 10; None where that is more than 100,000, or the margin is 0.
    """

    runs: tuple[int, int]
    centre_a: float
    centre_b: float
    effect: float
    interval: Interval
    p_difference: float
    p_mann_whitney: float
    p_equivalent: float
    a12: float
    cliffs_delta: float
    typical: Shift
    detectable: float
    runs_needed: int | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question.

    Attributes:
        question: what was asked.
        verdict: what B is against A.
        cause: why, for programs.
        because: why, in a sentence.
        lost: runs of A and of B that failed or were no figure.
        estimate: what the runs come to; None where nothing can be computed.
    """

    question: Question
    verdict: Verdict
    cause: Cause
    because: str
    lost: tuple[int, int]
    estimate: Estimate | None


Runs = Sequence[float | None]
"""One figure for each run, in the order of pairs; None: the run failed."""


def _unpaired_p_least(runs: int) -> float:
    return mann_whitney_p_least(runs, runs)
