"""How many items go together: a fixed number, or as many as a latency goal allows.

What a batch takes is modelled as `duration = a * n + b`, fitted by least squares over the last
batches, and the size is the largest n with `waited + a * n + b <= goal`. This is the model of
BentoML's adaptive batching (`CorkDispatcher` and its `Optimizer`, which keeps 50 batches and
begins with `a = goal * 2 / 30` and `b = goal / 30`). Unlike there, the fit is brought up to date
with every batch, by running sums.
"""

from collections import deque
from typing import Final, Protocol

FIT_BATCHES: Final = 50
# A flat or falling line would allow any size: no item is free.
_ITEM_S_MIN: Final = 1e-6
# What divides evenly may come out a hair below the whole number.
_ROUNDING: Final = 1e-9


class Sizing(Protocol):
    """Says how many items the next batch may hold."""

    def size(self, waited_s: float) -> int:
        """The most items, at least 1, where the first has waited for `waited_s` seconds."""
        ...

    def observe(self, items: int, duration_s: float) -> None:
        """A batch of so many items took so many seconds."""
        ...

    @property
    def one_s(self) -> float:
        """What a batch of one is expected to take, in seconds."""
        ...


class DurationFit:
    """The line through the last batches.

    Args:
        item_s: what an item adds, in seconds, before any batch is known.
        call_s: what any batch takes, in seconds, before any is known.
    """

    __slots__ = ("_batches", "_nd", "_nn", "_sum_d", "_sum_n", "call_s", "item_s")

    def __init__(self, item_s: float, call_s: float) -> None:
        self.item_s = item_s
        self.call_s = call_s
        self._batches: deque[tuple[int, float]] = deque(maxlen=FIT_BATCHES)
        self._sum_n = self._nn = 0
        self._sum_d = self._nd = 0.0

    def observe(self, items: int, duration_s: float) -> None:
        """A batch of so many items took so many seconds; the oldest one known is forgotten."""
        if len(self._batches) == FIT_BATCHES:
            self._count(*self._batches[0], -1)
        self._batches.append((items, duration_s))
        self._count(items, duration_s, 1)
        self._solve()

    def expected_s(self, items: int) -> float:
        """What a batch of so many items is expected to take, in seconds."""
        return self.item_s * items + self.call_s

    def _count(self, items: int, duration_s: float, sign: int) -> None:
        self._sum_n += sign * items
        self._nn += sign * items * items
        self._sum_d += sign * duration_s
        self._nd += sign * items * duration_s

    def _solve(self) -> None:
        count = len(self._batches)
        spread = count * self._nn - self._sum_n * self._sum_n  # of whole numbers: exactly 0, or not
        if spread:
            item_s = (count * self._nd - self._sum_n * self._sum_d) / spread
            call_s = (self._sum_d - item_s * self._sum_n) / count
        else:  # all of one size: of the lines through that point, the one with the least norm
            items, mean_s = self._batches[0][0], self._sum_d / count
            call_s = mean_s / (items * items + 1)
            item_s = call_s * items
        self.item_s = max(_ITEM_S_MIN, item_s)
        self.call_s = max(0.0, call_s)


class FixedSize:
    """Always the same number; what batches take is only watched.

    Args:
        size: how many items.
        call_s: what a batch of one is taken to last before any is known, in seconds.
    """

    __slots__ = ("_fit", "size_max")

    def __init__(self, size: int, call_s: float = 0.05) -> None:
        self.size_max = size
        self._fit = DurationFit(0.0, call_s)

    def size(self, waited_s: float) -> int:  # noqa: ARG002
        return self.size_max

    def observe(self, items: int, duration_s: float) -> None:
        self._fit.observe(items, duration_s)

    @property
    def one_s(self) -> float:
        return self._fit.expected_s(1)


class GoalSize:
    """As many as can be answered within a goal, waiting included.

    Args:
        goal_s: how long the first of a batch may take in all, in seconds.
        size_max: never more than this.
    """

    __slots__ = ("_fit", "_goal_s", "_size_max")

    def __init__(self, goal_s: float, size_max: int) -> None:
        self._goal_s = goal_s
        self._size_max = size_max
        self._fit = DurationFit(goal_s * 2 / 30, goal_s / 30)

    def size(self, waited_s: float) -> int:
        fit = self._fit
        # Half of the goal is always left: where the queue is long, ever smaller batches would
        # make it longer.
        left_s = max(self._goal_s - waited_s, self._goal_s / 2) - fit.call_s
        return max(1, min(self._size_max, int(left_s / fit.item_s + _ROUNDING)))

    def observe(self, items: int, duration_s: float) -> None:
        self._fit.observe(items, duration_s)

    @property
    def one_s(self) -> float:
        return self._fit.expected_s(1)
