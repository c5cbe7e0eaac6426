"""How long something usually takes. Pure."""

from typing import Final

_MEAN_WEIGHT: Final = 1 / 8
_DEVIATION_WEIGHT: Final = 1 / 4
_DEVIATIONS: Final = 2.0


class UsualTime:
    """Mean and mean deviation of durations, later ones counting for more.

    As TCP guesses how long an answer takes (Jacobson 1988, RFC 6298), with two deviations in place
    of four: what most take, and not what none exceeds.

    Attributes:
        most_s: what most take; 0 before the first.
    """

    __slots__ = ("_deviation_s", "_mean_s", "most_s")

    def __init__(self) -> None:
        self._mean_s = 0.0
        self._deviation_s = 0.0
        self.most_s = 0.0

    def took(self, seconds: float) -> None:
        """Learn from one; what is no duration is passed over."""
        if not seconds > 0:
            return
        if not self.most_s:
            self._mean_s, self._deviation_s = seconds, seconds / 2
        else:
            apart_s = seconds - self._mean_s
            self._deviation_s += (abs(apart_s) - self._deviation_s) * _DEVIATION_WEIGHT
            self._mean_s += apart_s * _MEAN_WEIGHT
        self.most_s = self._mean_s + _DEVIATIONS * self._deviation_s

    def begin_by_s(self, deadline_s: float, now_s: float) -> float:
        """Until when to begin, so as to be done by a deadline.

        Half of the time that is left remains for waiting in any case: something may be quicker
        than most.

        Args:
            deadline_s: when it has to be done.
            now_s: the time.
        """
        return deadline_s - min(self.most_s, max(deadline_s - now_s, 0.0) / 2)
