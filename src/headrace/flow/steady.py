"""Time that never goes back, made of a clock that may."""

from typing import Final

STEP_BACK_S_MAX: Final = 1.0
"""A step back up to here is a hiccup: time stands still. Beyond, it is another clock."""


class SteadyTime:
    """Turns the readings of one clock into a time that stands still where the clock goes back.

    After a long step back it goes on from where it stood, at the new clock's pace: nobody waits
    for a clock to catch up, and no span of time is counted twice.
    """

    __slots__ = ("_offset_s", "_seen_s")

    def __init__(self) -> None:
        self._seen_s = float("-inf")
        self._offset_s = 0.0

    def at(self, now_s: float) -> float:
        """The steady time of a reading, in seconds.

        Args:
            now_s: what the clock says.
        """
        steady_s = now_s + self._offset_s
        if steady_s >= self._seen_s:
            self._seen_s = steady_s
            return steady_s
        if self._seen_s - steady_s > STEP_BACK_S_MAX:
            self._offset_s += self._seen_s - steady_s
        return self._seen_s
