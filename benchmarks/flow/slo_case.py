"""Which way to give way keeps a service level, and lets go again: seeded, on a simulated clock.

Nothing here is timed. Every seed meets every way to decide, and the same calls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Final

import msgspec

from benchmarks.flow.slo_world import CAPACITY_PER_S, Decider, Ended, World
from headrace.cache.simulation.estimate import estimate
from headrace.flow.scheduler import Priority
from headrace.observe.slo_reaction import STEP_MAX, Looked, ReactionCourse
from headrace.settings.slos import Reaction, Slo

SEEDS: Final = range(301, 307)
LOOK_S: Final = 10.0
WINDOWS_S: Final = (60.0, 300.0)
CALM_S: Final = 300.0
TROUBLE_S: Final = 600.0
AFTER_S: Final = 900.0
END_S: Final = CALM_S + TROUBLE_S + AFTER_S
USUAL_LOAD: Final = 0.7
SHARE_MAX: Final = 0.9
SLO: Final = Slo(
    name="quick",
    kind="latency",
    threshold_ms=2000,
    objective=0.95,
    reaction=Reaction(action="shed", look_s=LOOK_S, fast_s=WINDOWS_S[0], slow_s=WINDOWS_S[1]),
)

Figures = dict[str, float]


class Never:
    """Nothing gives way."""

    share = 0.0

    def look(self, looked: Looked) -> None: ...


class Simple:
    """What the simple ways have in common: they begin as the one that is shipped does."""

    def __init__(self) -> None:
        self.share = 0.0

    def look(self, looked: Looked) -> None:
        burns = looked.burn > SLO.start_rate
        if burns and (self.share > 0 or min(looked.fast, looked.slow) > SLO.start_rate):
            self.share = min(self.more(), SHARE_MAX)
        elif looked.burn <= 1:
            self.share = max(self.less(), 0.0)

    def more(self) -> float:
        """The share after a look that finds it burning."""
        return SHARE_MAX

    def less(self) -> float:
        """And after one that finds it at rest."""
        return 0.0


class OnOff(Simple):
    """All that may give way does, or nothing."""


class Steps(Simple):
    """As much more at each look that finds it burning as less at each that does not."""

    def more(self) -> float:
        return self.share + 0.1

    def less(self) -> float:
        return self.share - 0.1


class Aimd(Simple):
    """What is let in is cut by a third, and given back little by little (Chiu and Jain 1989)."""

    def more(self) -> float:
        return min(1 - (1 - self.share) * 0.7, self.share + STEP_MAX)

    def less(self) -> float:
        return self.share - 0.02


def course() -> Decider:
    """The one that is shipped."""
    assert SLO.reaction is not None  # declared above
    return ReactionCourse(SLO.reaction, SLO.start_rate)


NOTHING: Final = "nothing"
WAYS: Final[Mapping[str, Callable[[], Decider]]] = {
    NOTHING: Never,
    "on/off": OnOff,
    "equal steps": Steps,
    "AIMD": Aimd,
    "PI (shipped)": course,
}


class Trouble(msgspec.Struct, frozen=True):
    """What goes wrong.

    Attributes:
        load: offered during it, as a share of the capacity.
        fails: the share of answers that are errors whatever the load.
        swings_s: how long it lasts each time, and pauses, where it comes and goes.
    """

    load: float = USUAL_LOAD
    fails: float = 0.0
    swings_s: float = TROUBLE_S

    def is_on(self, at_s: float) -> bool:
        """Whether it is there."""
        since_s = at_s - CALM_S
        return 0 <= since_s < TROUBLE_S and int(since_s // self.swings_s) % 2 == 0


TROUBLES: Final[Mapping[str, Trouble]] = {
    "2x for 10 min": Trouble(load=2.0),
    "1.2x for 10 min": Trouble(load=1.2),
    "2x, 1 min of 2": Trouble(load=2.0, swings_s=60.0),
    "all fail for 10 min": Trouble(fails=1.0),
}


class Row(msgspec.Struct, frozen=True):
    """One figure of one way over all seeds, with its 95 % interval."""

    trouble: str
    figure: str
    way: str
    mean: float
    low: float
    high: float


def measure(seeds: Sequence[int], tell: Callable[[str], None]) -> list[Row]:
    """All figures.

    Args:
        seeds: of the runs.
        tell: told what is being done.
    """
    rows = []
    for name, trouble in TROUBLES.items():
        for way, make in WAYS.items():
            tell(f"{name}, {way}")
            found = [figures(trouble, make(), seed) for seed in seeds]
            for figure in found[0]:
                value = estimate([each[figure] for each in found])
                rows.append(Row(name, figure, way, value.mean, value.low, value.high))
    return rows


def figures(trouble: Trouble, decider: Decider, seed: int) -> Figures:
    """What one run says."""
    world = World(
        SLO,
        decider,
        look_s=LOOK_S,
        windows_s=WINDOWS_S,
        load=lambda at_s: trouble.load if trouble.is_on(at_s) else USUAL_LOAD,
        fails=lambda at_s: trouble.fails if trouble.is_on(at_s) else 0.0,
        seed=seed,
    )
    world.run(END_S)
    end_s = CALM_S + TROUBLE_S
    during = [one for one in world.ended if CALM_S <= one.came_s < end_s]
    after = [one for one in world.ended if end_s <= one.came_s]
    levels = [share for at_s, share in world.levels if at_s >= CALM_S]
    return {
        "high in time, %": 100 * _good(one for one in during if one.priority is Priority.HIGH),
        "in time, per s of capacity": sum(one.is_good for one in during)
        / TROUBLE_S
        / CAPACITY_PER_S,
        "bad of those let in, %": 100 * (1 - _good(one for one in during if not one.is_refused)),
        "refused after it, calls": float(sum(one.is_refused for one in after)),
        "share is 0 after, s": next(
            (at_s - end_s for at_s, share in world.levels if at_s >= end_s and share == 0), AFTER_S
        ),
        "the share moved by, in all": sum(abs(b - a) for a, b in pairwise(levels)),
        "largest step": max((abs(b - a) for a, b in pairwise(levels)), default=0.0),
    }


def _good(ended: Iterator[Ended]) -> float:
    found = [one.is_good for one in ended]
    return fmean(found) if found else 0.0
