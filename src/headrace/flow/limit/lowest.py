"""Several limits at once: each learns from every call, and the lowest holds."""

from collections.abc import Iterable

from headrace.flow.limit.base import Limit


class LowestLimit:
    """The lowest of several, such as one that learns from queueing and one from refusals.

    None runs away while another holds: a limit grows only as long as half of it is in use.

    Args:
        limits: one or more.

    Raises:
        ValueError: there is none.
    """

    __slots__ = ("_limits", "limit")

    def __init__(self, limits: Iterable[Limit]) -> None:
        self._limits = tuple(limits)
        if not self._limits:
            raise ValueError("the lowest of no limits: give one or more")
        self.limit = min(each.limit for each in self._limits)

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        """See `headrace.flow.limit.base.Limit`."""
        lowest = 0
        for each in self._limits:
            each.update(rtt_s, inflight, is_drop=is_drop, now_s=now_s)
            limit = each.limit
            if limit < lowest or not lowest:
                lowest = limit
        self.limit = lowest
