"""How much more than was asked for may be sent: retries, hedges. Pure.

The retry budget of Finagle (Twitter, `com.twitter.finagle.service.RetryBudget`): every request
deposits a share of an extra call, every extra call withdraws one, both count for a sliding window,
and a small floor is there for upstreams that are asked rarely. A share bounds what a fault can add
to the load of an upstream that is failing already, which a number of tries for each request does
not.
"""

from typing import Final

SHARE: Final = 0.1
FLOOR: Final = 3
WINDOW_S: Final = 10.0
_SLICES: Final = 20


class ShareBudget:
    """Extra calls as a share of requests, over a sliding window. One owner, no lock.

    In the `window_s` before any extra call there were, that one included, no more of them than
    `share * requests + floor`. Time is cut into slices, 20 to the window; where one lies partly
    outside, its extra calls count and its requests do not, so the bound is kept exactly.

    Args:
        share: extra calls for each request.
        floor: extra calls in a window that need no requests.
        window_s: seconds that requests and extra calls count for.

    Attributes:
        requests: all that were counted.
        spent: extra calls that were allowed.
        refused: extra calls that were not.

    Raises:
        ValueError: a number makes no sense.
    """

    __slots__ = (
        "_asked",
        "_end_s",
        "_extra",
        "_slice",
        "_slice_s",
        "floor",
        "refused",
        "requests",
        "share",
        "spent",
        "window_s",
    )

    def __init__(
        self, *, share: float = SHARE, floor: int = FLOOR, window_s: float = WINDOW_S
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share is a part of the requests, 0 to 1, and not {share}")
        if floor < 0 or not 0 < window_s < float("inf"):
            raise ValueError(f"floor is 0 or more, window_s above 0, not {floor} and {window_s}")
        self.share = share
        self.floor = floor
        self.window_s = window_s
        self._slice_s = window_s / _SLICES
        self._slice = 0
        self._end_s = float("-inf")
        # Both totals as they were when each slice began; the current one and those before it.
        self._asked = [0] * (_SLICES + 1)
        self._extra = [0] * (_SLICES + 1)
        self.requests = 0
        self.spent = 0
        self.refused = 0

    def deposit(self, now_s: float) -> None:
        """Count a request.

        Args:
            now_s: monotonic seconds.
        """
        if now_s >= self._end_s:
            self._turn(now_s)
        self.requests += 1

    def try_spend(self, now_s: float) -> bool:
        """Take an extra call out of the budget, if it has one.

        Args:
            now_s: monotonic seconds.
        """
        if self.left(now_s) < 1:
            self.refused += 1
            return False
        self.spent += 1
        return True

    def left(self, now_s: float) -> float:
        """Extra calls that there is room for.

        Args:
            now_s: monotonic seconds.
        """
        if now_s >= self._end_s:
            self._turn(now_s)
        asked = self.requests - self._asked[(self._slice + 2) % (_SLICES + 1)]
        extra = self.spent - self._extra[(self._slice + 1) % (_SLICES + 1)]
        return self.share * asked + self.floor - extra

    def _turn(self, now_s: float) -> None:
        """Begin the slice that `now_s` is in; those that nobody saw were empty."""
        latest = int(now_s // self._slice_s)
        begun = min(latest - self._slice, _SLICES + 1)
        for slice_ in range(latest - begun + 1, latest + 1):
            self._asked[slice_ % (_SLICES + 1)] = self.requests
            self._extra[slice_ % (_SLICES + 1)] = self.spent
        self._slice = latest
        self._end_s = (latest + 1) * self._slice_s
