"""How many answers were good, over sliding windows, from counts that only grow. Pure."""

from bisect import bisect_right
from typing import Final, NamedTuple

FINE_S: Final = 3600.0
"""Windows up to this are told to the sample; longer ones to `COARSE_STEP_S`."""
COARSE_STEP_S: Final = 300.0
_SLACK: Final = 64


class Totals(NamedTuple):
    """Counts at one moment.

    Attributes:
        at_s: when, on the monotonic clock.
        good: answers that were good, since the counting began.
        every: all answers, since then.
    """

    at_s: float
    good: float
    every: float


class SloHistory:
    """Remembers what was counted, as finely as it is asked for.

    Args:
        first: what was counted before it began: nothing of that is told.
        longest_s: the longest window that will be asked for.

    Attributes:
        longest_s: see above; may be replaced.
    """

    def __init__(self, first: Totals, longest_s: float) -> None:
        self._fine = [first]
        self._coarse = [first]
        self.longest_s = longest_s

    @property
    def seen_s(self) -> float:
        """For how long it has been counting."""
        return self._fine[-1].at_s - self._coarse[0].at_s

    def add(self, now: Totals) -> None:
        """What is counted now; times never go back."""
        self._fine.append(now)
        if now.at_s - self._coarse[-1].at_s >= COARSE_STEP_S:
            self._coarse.append(now)
            _forget(self._coarse, now.at_s - self.longest_s)
        _forget(self._fine, now.at_s - FINE_S)

    def over(self, window_s: float, now: Totals) -> Totals:
        """What was counted in the window that ends with `now`; less of it where less is known.

        Args:
            window_s: its length in seconds.
            now: what is counted now.

        Returns:
            The counts of the window, and when it began.
        """
        kept = self._fine if window_s <= FINE_S and self._reaches(window_s, now) else self._coarse
        since = kept[max(_latest(kept, now.at_s - window_s), 0)]
        return Totals(since.at_s, now.good - since.good, now.every - since.every)

    def _reaches(self, window_s: float, now: Totals) -> bool:
        return self._fine[0].at_s <= now.at_s - window_s


def _latest(kept: list[Totals], at_s: float) -> int:
    """The position of the last one that is not after `at_s`; -1 where there is none."""
    return bisect_right(kept, at_s, key=lambda each: each.at_s) - 1


def _forget(kept: list[Totals], before_s: float) -> None:
    """Drop what no window needs: all before the last one that is not after `before_s`."""
    # Many at once: dropping from the front moves all that stay.
    if (needed := _latest(kept, before_s)) >= _SLACK:
        del kept[:needed]
