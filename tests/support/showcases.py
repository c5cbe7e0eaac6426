"""Showcases that nobody ran, for tests of verdicts and reports."""

from collections.abc import Sequence

import numpy as np

from headrace.bench.exhibit.arms import OFF, OFF_AGAIN, ON, exhibits
from headrace.bench.exhibit.judge import Seen, average_improvement, duel, promise, worth
from headrace.bench.exhibit.measures import measures, named
from headrace.bench.exhibit.plans import QUICK
from headrace.bench.exhibit.promises import DAY_PROMISES, MAIN_PROMISES, overload_promises
from headrace.bench.exhibit.results import (
    Curve,
    LoadPoint,
    Pictures,
    Range,
    Shift,
    Showcase,
    Span,
)
from headrace.bench.impact import Terms
from headrace.bench.statistics.figures import Interval

MEASURES = measures("p90")
TYPICAL = {
    "mean_ms": 90.0,
    "p50_ms": 80.0,
    "ttft_ms": 36.0,
    "usd_per_1000": 4.0,
    "usd_per_1000_good": 6.0,
    "goodput_per_s": 40.0,
    "answers_per_s": 180.0,
    "variance_s2": 0.1,
    "overload_p90_ms": 900.0,
    "failed_share": 0.002,
    "recovery_s": 0.5,
    "cpu_us": 400.0,
    "rss_mb": 70.0,
    "spent_usd": 4.0,
    "answered": 1000.0,
    "good": 670.0,
    "kept_per_s": 90.0,
}


def seen_of(
    factors: dict[str, dict[str, float]], pairs: int, *, noise: float = 0.02, seed: int = 7
) -> list[Seen]:
    """Trials of several arms.

    Args:
        factors: by arm, by measure: times what is typical; without one, what is typical.
        pairs: trials of each arm.
        noise: of each figure, as a share.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    return [
        Seen(
            arm=arm,
            block=block,
            figures={
                name: value * of_arm.get(name, 1.0) * float(np.exp(noise * rng.normal()))
                for name, value in TYPICAL.items()
            },
            record=None,
            why=None,
        )
        for block in range(pairs)
        for arm, of_arm in factors.items()
    ]


ALL_ON = {
    "mean_ms": 0.5,
    "p50_ms": 0.3,
    "ttft_ms": 0.4,
    "usd_per_1000": 0.2,
    "spent_usd": 0.2,
    "kept_per_s": 2.0,
    "goodput_per_s": 4.0,
    "variance_s2": 0.05,
    "overload_p90_ms": 0.3,
    "recovery_s": 0.1,
    "failed_share": 90.0,
    "cpu_us": 1.4,
    "answers_per_s": 1.2,
}


def make_showcase(
    pairs: int = 8, alone: int = 2, *, name: str = "model", notes: Sequence[str] = ()
) -> Showcase:
    """A whole one; `name` stands wherever text comes from outside."""
    rng = np.random.default_rng(5)
    everything = seen_of({OFF: {}, OFF_AGAIN: {}, ON: ALL_ON}, pairs)
    parts = seen_of({OFF: {}, **{each.name: {"mean_ms": 0.7} for each in exhibits(QUICK)}}, alone)
    main = duel(everything, (OFF, ON), name, MEASURES, rng)
    sworn = (
        (DAY_PROMISES, parts),
        (overload_promises(QUICK), parts),
        (MAIN_PROMISES, everything),
    )
    return Showcase(
        title=f"Everything off, everything on {name}",
        facts={"machine": name, "versions": "1"},
        command=f"headrace showcase --out {name}",
        speed=10.0,
        main=main,
        control=duel(everything, (OFF, OFF_AGAIN), "nothing", MEASURES, rng),
        alone=tuple(
            duel(parts, (each.against, each.name), name, named(each.measures), rng)
            for each in exhibits(QUICK)
        ),
        average_improvement=average_improvement(main, rng),
        promises=tuple(
            promise(each, seen, named((each.measure,))[0], rng)
            for group, seen in sworn
            for each in group
        ),
        impact=worth(everything, (OFF, ON), Terms(prices_date="2026-11-20", speed=10.0), rng),
        pictures=_pictures(name),
        notes=(*notes, f"A note about {name}."),
    )


def late(notes: Sequence[str]) -> list[str]:
    """What a showcase tells of trials that are void, as chance has it where others work, too."""
    return [note for note in notes if "void: " in note and "the client was late" in note]


def _pictures(name: str) -> Pictures:
    shares = (0.1, 0.5, 0.9, 0.95, 0.99, 0.999)
    return Pictures(
        percentiles=tuple(
            Curve(f"{name} {arm}", tuple((s, factor * 40 / (1.01 - s) ** 0.5) for s in shares))
            for arm, factor in ((OFF, 1.0), (ON, 0.4))
        ),
        loads=tuple(
            LoadPoint(
                arm=arm,
                offered_per_s=load,
                p95_ms=Range(factor * load, factor * load * 0.8, factor * load * 1.3),
                good_per_s=Range(min(load, most), min(load, most) * 0.9, min(load, most)),
            )
            for arm, factor, most in ((OFF, 4.0, 60.0), (ON, 1.0, 400.0))
            for load in (90.0, 180.0, 560.0)
        ),
        spans=(Span("day", 0.0, 1.0), Span(f"overload {name}", 1.0, 2.0)),
        timeline=tuple(
            Curve(
                arm, tuple((t / 10, factor * (100 + 30 * (t > 10) * (t - 10))) for t in range(20))
            )
            for arm, factor in ((OFF, 1.0), (ON, 0.4))
        ),
        shifts=tuple(
            Shift(n / 10, 0.3 + n / 20, Interval(0.25 + n / 20, 0.36 + n / 20))
            for n in range(1, 10)
        ),
    )
