"""What the adaptive case leaves behind."""

import msgspec


class Ratio(msgspec.Struct, frozen=True):
    """A geometric mean of ratios, paired by seed, with its 95 % interval."""

    mean: float
    low: float
    high: float
    samples: int


class Mean(msgspec.Struct, frozen=True):
    """A mean over seeds with its 95 % interval."""

    mean: float
    low: float
    high: float
    samples: int


class Against(msgspec.Struct, frozen=True):
    """One engine beside one fixed lifetime with LRU; below 1 it takes or costs less."""

    p50: Ratio
    mean: Ratio
    usd: Ratio


class AdaptiveRow(msgspec.Struct, frozen=True):
    """One engine in one setting.

    Attributes:
        setting: capacity and workload.
        engine: what of it works.
        hit_points: hits per 100 requests.
        stale_points: hits that were not right any more, per 100 hits.
        p50_s: median latency.
        mean_s: mean latency.
        usd: all calls.
        behind_points: calls that nobody waited for, per 100 requests.
        against_default: beside the default lifetime.
        against_equal: beside the lifetime that makes as many hits stale as this engine does, found
            between measured ones.
        equal_ttl_s: that lifetime, median over seeds.
    """

    setting: str
    engine: str
    hit_points: Mean
    stale_points: Mean
    p50_s: Mean
    mean_s: Mean
    usd: Mean
    behind_points: Mean
    against_default: Against
    against_equal: Against
    equal_ttl_s: float


class FrontierRow(msgspec.Struct, frozen=True):
    """Fixed lifetime and LRU: what each lifetime comes to."""

    setting: str
    ttl_s: float
    hit_points: Mean
    stale_points: Mean
    p50_s: Mean
    mean_s: Mean
    usd: Mean


class ReuseRow(msgspec.Struct, frozen=True):
    """How well reuse was foreseen in one setting.

    Attributes:
        answering: how often each predictor was the best at the end, by seed.
        log_losses: running log-loss at the end.
        learned_below_best: log-loss of the learned one less the best baseline's of the same seed.
        calibration: of the learned one, all seeds together: lower end of the tenth, mean
            prediction, share that was used, count.
    """

    setting: str
    answering: dict[str, int]
    log_losses: dict[str, Mean]
    learned_below_best: Mean
    calibration: list[tuple[float, float, float, float]]


class PrefetchRow(msgspec.Struct, frozen=True):
    """What prefetching came to in one setting, per seed."""

    setting: str
    planned: Mean
    wasted_points: Mean
    spent_usd: Mean
    hours_saved: Mean


class StampedeRow(msgspec.Struct, frozen=True):
    """One manner of meeting the end of a hot key's life."""

    manner: str
    calls_per_end: Mean
    calls: Mean
    waited_points: Mean
    stale_points: Mean


class AdaptiveRun(msgspec.Struct, frozen=True):
    """The whole case."""

    rows: list[AdaptiveRow]
    frontier: list[FrontierRow]
    reuse: list[ReuseRow]
    prefetch: list[PrefetchRow]
    stampede: list[StampedeRow]
