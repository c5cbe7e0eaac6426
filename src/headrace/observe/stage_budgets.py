"""How long stages may take, and which of them took longer. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple

STREAM_START: Final = "stream_start"
"""Not a stage, but all of them until a stream begins."""


class Overrun(NamedTuple):
    """One stage of one request that took too long.

    Attributes:
        stage: its name.
        took_ms: how long it took, in milliseconds.
        limit_ms: how long it may take.
    """

    stage: str
    took_ms: float
    limit_ms: float


class StageBudgets:
    """What is declared.

    Args:
        limits_ms: milliseconds by stage; a stage that is not among them takes as long as it likes.

    Attributes:
        least_ms: the smallest of them.
    """

    __slots__ = ("_limits_ms", "least_ms")

    def __init__(self, limits_ms: Mapping[str, float]) -> None:
        self._limits_ms = dict(limits_ms)
        self.least_ms = min(limits_ms.values(), default=inf)

    def overruns(
        self, stages: Sequence[str], times_ms: Sequence[float], start_ms: float | None = None
    ) -> Iterator[Overrun]:
        """What took too long of one request.

        Args:
            stages: those it has passed.
            times_ms: milliseconds spent in each.
            start_ms: until a stream began, where it was one.
        """
        limits_ms = self._limits_ms
        for stage, took_ms in zip(stages, times_ms, strict=True):
            limit_ms = limits_ms.get(stage, inf)
            if took_ms > limit_ms:
                yield Overrun(stage, took_ms, limit_ms)
        if start_ms is not None and start_ms > (limit_ms := limits_ms.get(STREAM_START, inf)):
            yield Overrun(STREAM_START, start_ms, limit_ms)

    def marked(self, stages: Sequence[str], times_ms: Sequence[float]) -> Sequence[str]:
        """The names as `server-timing` tells them: with what they may take, where it was more."""
        limits_ms = {each.stage: each.limit_ms for each in self.overruns(stages, times_ms)}
        if not limits_ms:
            return stages
        return [
            f'{stage};desc="over {limits_ms[stage]:g} ms"' if stage in limits_ms else stage
            for stage in stages
        ]
