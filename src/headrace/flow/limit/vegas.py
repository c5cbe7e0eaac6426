"""Vegas: keeps a short queue, its length told by how much longer calls take than the quickest."""

from collections.abc import Callable
from math import ceil, log10

from headrace.flow.limit.base import check_bounds


class VegasLimit:
    """Learns from the signal, and from drops (`VegasLimit` of Netflix's concurrency-limits).

    `queue = ceil(limit * (1 - quickest / now))`. With `root = max(1, floor(log10(limit)))` the
    limit grows by `6 * root` where `queue <= root`, by `root` where `queue < 3 * root`, and shrinks
    by `root` where `queue > 6 * root` or the call was dropped. It does not grow while less than
    half of it is in use. After between 15 and 30 times `limit` calls, by lot, the quickest is
    forgotten and the next signal taken for it.

    Args:
        uniform: draws numbers from 0 to 1.
        initial: the limit to begin with.
        limit_min: never below.
        limit_max: never above.
        probe_multiplier: after how many times the limit in calls the quickest is forgotten, at
            most.

    Raises:
        ValueError: a number makes no sense.
    """

    __slots__ = (
        "_calls",
        "_estimate",
        "_max",
        "_min",
        "_probe_multiplier",
        "_probe_share",
        "_quickest_s",
        "_uniform",
        "limit",
    )

    def __init__(
        self,
        *,
        uniform: Callable[[], float],
        initial: int = 20,
        limit_min: int = 1,
        limit_max: int = 1000,
        probe_multiplier: int = 30,
    ) -> None:
        check_bounds(initial, limit_min, limit_max)
        if probe_multiplier < 1:
            raise ValueError(f"probe_multiplier is {probe_multiplier}: it has to be 1 or more")
        self.limit = initial
        self._estimate = float(initial)
        self._min = float(limit_min)
        self._max = float(limit_max)
        self._uniform = uniform
        self._probe_multiplier = probe_multiplier
        self._probe_share = self._draw()
        self._calls = 0
        self._quickest_s = 0.0

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:  # noqa: ARG002 - it counts calls, not time
        """See `headrace.flow.limit.base.Limit`."""
        root = max(1, int(log10(self._estimate)))
        if is_drop:  # how long it took is no signal
            self._move(-root)
        elif rtt_s > 0 and not self._is_new_quickest(rtt_s) and inflight * 2 >= self._estimate:
            self._move(self._step(rtt_s, root))

    def _is_new_quickest(self, rtt_s: float) -> bool:
        self._calls += 1
        if self._calls >= self._probe_share * self._probe_multiplier * self._estimate:
            self._probe_share = self._draw()
            self._calls = 0
        elif 0 < self._quickest_s <= rtt_s:
            return False
        self._quickest_s = rtt_s
        return True

    def _step(self, rtt_s: float, root: int) -> int:
        queue = ceil(self._estimate * (1 - self._quickest_s / rtt_s))
        if queue <= root:
            return 6 * root
        if queue < 3 * root:
            return root
        return -root if queue > 6 * root else 0

    def _move(self, step: int) -> None:
        self._estimate = max(self._min, min(self._max, self._estimate + step))
        self.limit = int(self._estimate)

    def _draw(self) -> float:
        return 0.5 + 0.5 * self._uniform()
