"""Whether a figure keeps its bar: by its interval, so that noise alone fails nothing."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from headrace.bench.gate.budgets import BLOCKS_LEAST, IMPORT, Budget, Yard
from headrace.bench.gate.yardsticks import Yardsticks
from headrace.bench.statistics.chance import chance
from headrace.bench.statistics.comparison import compare
from headrace.bench.statistics.figures import Interval
from headrace.bench.statistics.question import Question, Runs
from headrace.bench.trials.metrics import Metrics

Outcome = Literal["pass", "regress", "inconclusive"]
_SEED: Final = 1
# What is told of figures that were not all to be had, or have no ratio.
_NOTHING: Final = frozenset({"failed_runs", "not_finite", "not_positive"})


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """What one block came to.

    Attributes:
        gateway: figures of the gateway.
        nginx: of nginx in its place; `None` where it was not tried.
        sticks: of this machine just then; `None` where they could not be measured.
    """

    gateway: Metrics
    nginx: Metrics | None
    sticks: Yardsticks | None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a budget.

    Attributes:
        budget: what was to be kept.
        yard: what it was held against; `None`: none of its yardsticks is there.
        bar: where the bar was.
        measured: the figure itself, by its geometric mean.
        ratio: to the yardstick.
        interval: of the ratio.
        outcome: whether the bar was kept.
        because: why, in a sentence.
    """

    budget: Budget
    yard: Yard | None
    bar: float | None
    measured: float | None = None
    ratio: float | None = None
    interval: Interval | None = None
    outcome: Outcome
    because: str


def judged(budget: Budget, blocks: Sequence[Block], *, has_nginx: bool) -> Judged:
    """Hold what was measured against the bar.

    It regresses where the whole interval of the ratio is beyond the bar, and passes where all of
    the interval keeps it.
    """
    yard = budget.yard(("nginx", "loop", "bare") if has_nginx else ("loop", "bare"))
    if yard is None:
        because = f"There is no {' and no '.join(budget.bars)} here."
        return Judged(budget=budget, yard=None, bar=None, outcome="inconclusive", because=because)
    bar = budget.bars[yard]
    figures: Runs = [_figure(budget.metric, block) for block in blocks]
    measures: Runs = [_measure(budget.metric, block, yard) for block in blocks]
    question = Question(metric=budget.metric, margin=0.0)
    answer = compare(measures, figures, question, chance(_SEED))
    found = answer.estimate
    if found is None or answer.cause in _NOTHING or len(blocks) < BLOCKS_LEAST:
        few = f"{len(blocks)} blocks are too few, {BLOCKS_LEAST} are needed."
        because = answer.because if answer.cause in _NOTHING else few
        return Judged(budget=budget, yard=yard, bar=bar, outcome="inconclusive", because=because)
    outcome, because = _outcome(found.interval, bar, is_most=bool(budget.at_most))
    return Judged(
        budget=budget,
        yard=yard,
        bar=bar,
        measured=found.centre_b,
        ratio=found.effect,
        interval=found.interval,
        outcome=outcome,
        because=because,
    )


def _outcome(interval: Interval, bar: float, *, is_most: bool) -> tuple[Outcome, str]:
    is_above, is_below = interval.low > bar, interval.high < bar
    if is_above if is_most else is_below:
        return "regress", "The whole interval is beyond the bar."
    if is_below if is_most else is_above:
        return "pass", "The whole interval keeps the bar."
    return "inconclusive", "The bar lies within the interval: more blocks would tell."


def _figure(metric: str, block: Block) -> float | None:
    if metric == IMPORT:
        return None if block.sticks is None else block.sticks.import_cpu_ms
    return block.gateway.get(metric)


def _measure(metric: str, block: Block, yard: Yard) -> float | None:
    """What the yardstick has, in the unit of the metric."""
    if yard == "nginx":
        return None if block.nginx is None else block.nginx.get(metric)
    sticks = block.sticks
    if sticks is None:
        return None
    if yard == "bare":
        return sticks.bare_rss_mb if "rss_mb" in metric else sticks.bare_cpu_ms
    if metric.endswith("_per_s"):
        return 1e6 / sticks.loop_us
    return sticks.loop_us if metric.endswith("_us_per_request") else sticks.loop_us / 1000
