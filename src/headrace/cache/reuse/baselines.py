"""What a learned predictor of reuse has to beat: two rates of use, each with exponential gaps."""

from collections import OrderedDict
from math import exp, expm1
from typing import Final

# One use in about an hour, believed as much as one observation: what a new category begins with.
_PRIOR_USES: Final = 0.5
_PRIOR_EXPOSURE_S: Final = 1800.0


class _Exposure:
    __slots__ = ("exposure_s", "uses")

    def __init__(self) -> None:
        self.uses = _PRIOR_USES
        self.exposure_s = _PRIOR_EXPOSURE_S


class CategoryHazard:
    """One rate of use for each category: uses over the time that was watched.

    The estimate of an exponential hazard from censored gaps: a gap that did not end while it was
    watched counts with its time alone.

    Args:
        keep: what an observation counts after the next one of its category.
        categories_max: categories told apart; the one observed longest ago is forgotten.
    """

    __slots__ = ("_categories", "_categories_max", "_keep")

    def __init__(self, keep: float = 0.998, categories_max: int = 1024) -> None:
        self._keep = keep
        self._categories_max = categories_max
        self._categories: OrderedDict[str, _Exposure] = OrderedDict()

    def probability(self, category: str, horizon_s: float) -> float:
        """The chance of a use within `horizon_s`."""
        known = self._categories.get(category)
        if known is None:
            return -expm1(-horizon_s * _PRIOR_USES / _PRIOR_EXPOSURE_S)
        return -expm1(-horizon_s * known.uses / known.exposure_s)

    def learn(self, category: str, watched_s: float, *, used: bool) -> None:
        """A key was watched for so long, until its use or to the end."""
        known = self._categories.get(category)
        if known is None:
            if len(self._categories) >= self._categories_max:
                self._categories.popitem(last=False)
            known = self._categories[category] = _Exposure()
        self._categories.move_to_end(category)
        known.uses = known.uses * self._keep + used
        # A use at once would make the rate infinite.
        known.exposure_s = known.exposure_s * self._keep + max(watched_s, 1e-3)


class IntervalRate:
    """The key's own rate: one over the running mean of the time between its uses.

    A key that was used once has none; for these it says what share of them was used.

    Args:
        keep: what an outcome counts after the next one.
    """

    __slots__ = ("_keep", "_once_total", "_once_used")

    def __init__(self, keep: float = 0.998) -> None:
        self._keep = keep
        self._once_used = 0.5
        self._once_total = 1.0

    def probability(self, interval_s: float, horizon_s: float) -> float:
        """The chance of a use within `horizon_s`."""
        if interval_s <= 0.0:
            return self._once_used / self._once_total
        return 1.0 - exp(-horizon_s / interval_s)

    def learn(self, interval_s: float, *, used: bool) -> None:
        """What became of a key with this mean interval."""
        if interval_s <= 0.0:
            self._once_used = self._once_used * self._keep + used
            self._once_total = self._once_total * self._keep + 1.0
