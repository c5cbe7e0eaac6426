"""A limit that learns nothing: so many calls at once."""


class FixedLimit:
    """The same number always.

    Args:
        limit: calls that may run at once.

    Raises:
        ValueError: `limit` is below 1.
    """

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the limit is {limit}: it has to be 1 or more")
        self.limit = limit

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        """See `headrace.flow.limit.base.Limit`; nothing is learnt."""
