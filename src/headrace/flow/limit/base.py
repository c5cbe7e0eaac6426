"""What every algorithm of a concurrency limit looks like to the one who keeps it."""

from typing import Protocol


class Limit(Protocol):
    """How many calls may run at once, learnt from how calls end.

    It decides a number and enforces nothing: that is the limiter's part.
    """

    @property
    def limit(self) -> int:
        """Calls that may run at once, 1 or more."""
        ...

    def update(self, rtt_s: float, inflight: int, *, is_drop: bool, now_s: float) -> None:
        """Learn from a call that ended.

        Args:
            rtt_s: of a success, the signal: what grows where calls queue and stays where they do
                not, such as the time to the first token; 0 where it was not measured. Of a drop,
                how long the call was under way.
            inflight: calls that ran when this one began, itself among them.
            is_drop: it was refused for want of capacity, or timed out.
            now_s: the time.
        """
        ...


def check_bounds(initial: int, limit_min: int, limit_max: int) -> None:
    """See that a limit can begin and move where it is told to.

    Raises:
        ValueError: not `1 <= limit_min <= initial <= limit_max`.
    """
    if not 1 <= limit_min <= initial <= limit_max:
        raise ValueError(
            f"a limit from {limit_min} to {limit_max} that begins with {initial}: it takes "
            "1 <= limit_min <= initial <= limit_max"
        )


def check_share(name: str, value: float) -> None:
    """See that a factor is one.

    Raises:
        ValueError: not above 0 and below 1.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}: it has to be above 0 and below 1")
