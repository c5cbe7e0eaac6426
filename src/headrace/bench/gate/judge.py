"""Whether a figure keeps its bar: by its interval, so that noise alone fails nothing."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from headrace.bench.gate.budgets import BLOCKS_LEAST, IMPORT, Budget, Yard
from headrace.bench.gate.overhead import added, is_overhead
from headrace.bench.gate.yardsticks import Yardsticks
from headrace.bench.statistics.chance import chance
from headrace.bench.statistics.comparison import compare
from headrace.bench.statistics.fieller import ratio_of_means
from headrace.bench.statistics.figures import LEVEL, Interval
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
        direct: of the provider itself; likewise.
        sticks: of this machine just then; `None` where they could not be measured.
    """

    gateway: Metrics
    nginx: Metrics | None
    direct: Metrics | None = None
    sticks: Yardsticks | None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a budget.

    Attributes:
        budget: what was to be kept.
        yard: what it was held against; `None`: none of its yardsticks is there.
        bar: where the bar was.
        measured: the figure itself, by its geometric mean; of an overhead, by its mean.
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


class _Ratio(NamedTuple):
    """To a yardstick, with the figure itself."""

    measured: float
    ratio: float
    interval: Interval


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
    found = _ratio(budget.metric, measures, figures)
    if isinstance(found, str):
        return Judged(budget=budget, yard=yard, bar=bar, outcome="inconclusive", because=found)
    outcome, because = _outcome(found.interval, bar, is_most=bool(budget.at_most))
    return Judged(
        budget=budget,
        yard=yard,
        bar=bar,
        measured=found.measured,
        ratio=found.ratio,
        interval=found.interval,
        outcome=outcome,
        because=because,
    )


def _ratio(metric: str, measures: Runs, figures: Runs) -> _Ratio | str:
    """The ratio to a yardstick, or why there is none."""
    is_difference = is_overhead(metric)
    scale: Literal["ratio", "difference"] = "difference" if is_difference else "ratio"
    question = Question(metric=metric, margin=0.0, scale=scale)
    answer = compare(measures, figures, question, chance(_SEED))
    found = answer.estimate
    if answer.cause in _NOTHING:
        return answer.because
    if found is None or len(figures) < BLOCKS_LEAST:
        return f"{len(figures)} blocks are too few, {BLOCKS_LEAST} are needed."
    if not is_difference:
        return _Ratio(found.centre_b, found.effect, found.interval)
    over, under = ([each for each in arm if each is not None] for arm in (figures, measures))
    told = ratio_of_means(over, under, LEVEL)
    if told is None:
        return "What nginx adds is lost in the noise, and nothing is a ratio to that."
    return _Ratio(found.centre_b, told[0], Interval(told[1], told[2]))


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
    if is_overhead(metric):
        return added(block.gateway, block.direct, metric)
    return block.gateway.get(metric)


def _measure(metric: str, block: Block, yard: Yard) -> float | None:
    """What the yardstick has, in the unit of the metric."""
    if yard == "nginx" and is_overhead(metric):
        return added(block.nginx, block.direct, metric)
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
