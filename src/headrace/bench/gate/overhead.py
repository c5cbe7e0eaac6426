"""What stands between a client and a provider adds to a latency: with it minus without it."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from headrace.bench.statistics.chance import chance
from headrace.bench.statistics.comparison import compare
from headrace.bench.statistics.figures import Interval
from headrace.bench.statistics.question import Question
from headrace.bench.trials.metrics import Metrics

_LATENCIES: Final = ("p50_ms", "p95_ms", "p99_ms", "ttft_p50_ms", "ttft_p95_ms")
_TOLD: Final = ("p50_ms", "p99_ms")
_UNIT: Final = "_ms"
_ENDING: Final = "_overhead_ms"
_SEED: Final = 1


class Added(msgspec.Struct, frozen=True):
    """Milliseconds that were added to a latency, as the mean over blocks.

    Attributes:
        ms: how many; below 0 where it is quicker than the provider, as a cache may be.
        interval: where that lies.
    """

    ms: float
    interval: Interval


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """What was added to one latency.

    Attributes:
        metric: the latency.
        direct_ms: of the provider itself.
        gateway: what the gateway adds.
        nginx: what nginx adds in its place; `None` where that was not to be had.
    """

    metric: str
    direct_ms: float
    gateway: Added
    nginx: Added | None


def names_of(metrics: Iterable[str]) -> tuple[str, ...]:
    """What there is of overheads where there are these metrics."""
    latencies = (name for name in metrics if name.rpartition(".")[2] in _LATENCIES)
    return tuple(f"{name.removesuffix(_UNIT)}{_ENDING}" for name in latencies)


def is_overhead(metric: str) -> bool:
    """Whether a metric is what was added to another one."""
    return metric.endswith(_ENDING)


def latency_of(metric: str) -> str:
    """What an overhead is added to; any other metric is that itself."""
    return f"{metric.removesuffix(_ENDING)}{_UNIT}" if is_overhead(metric) else metric


def told_with(metrics: Iterable[str]) -> list[str]:
    """Latencies to tell of where these overheads are asked for: medians and tails."""
    places = dict.fromkeys(each.rpartition(".")[0] for each in metrics if is_overhead(each))
    return [f"{place}.{name}".lstrip(".") for place in places for name in _TOLD]


def added(with_it: Metrics | None, direct: Metrics | None, metric: str) -> float | None:
    """What one block tells of an overhead; `None` where a figure is missing.

    Args:
        with_it: figures with the gateway, or with nginx.
        direct: of the provider itself.
        metric: the overhead.
    """
    name = latency_of(metric)
    more, less = (None if figures is None else figures.get(name) for figures in (with_it, direct))
    return None if more is None or less is None else more - less


def overhead(
    metric: str,
    gateway: Sequence[Metrics],
    nginx: Sequence[Metrics | None],
    direct: Sequence[Metrics | None],
) -> Overhead | None:
    """What was added to a latency, by the blocks of a gate.

    Args:
        metric: the latency.
        gateway: figures with the gateway, by block.
        nginx: with nginx in its place.
        direct: of the provider itself.

    Returns:
        `None` where a trial of the gateway or of the provider has no such figure, or the blocks are
        too few to have an interval.
    """
    own = _difference(metric, gateway, direct)
    if own is None:
        return None
    of_nginx = _difference(metric, nginx, direct)
    return Overhead(
        metric=metric,
        direct_ms=own[0],
        gateway=own[1],
        nginx=None if of_nginx is None else of_nginx[1],
    )


def _difference(
    metric: str, with_it: Sequence[Metrics | None], direct: Sequence[Metrics | None]
) -> tuple[float, Added] | None:
    """The latency without it, and what it adds."""
    before, after = (
        [None if figures is None else figures.get(metric) for figures in arm]
        for arm in (direct, with_it)
    )
    if None in (*before, *after):
        return None
    question = Question(metric=metric, scale="difference", margin=0.0)
    found = compare(before, after, question, chance(_SEED)).estimate
    return None if found is None else (found.centre_a, Added(found.effect, found.interval))
