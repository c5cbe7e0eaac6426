"""What is learned of a provider's model by merging calls to it."""

from collections import OrderedDict
from typing import Final

from headrace.flow.batch.sizing import DurationFit

# The latency goal: what merging may add for a caller, by waiting and because a call with more
# inputs takes longer. The median is about half of it.
ADDED_S_MAX: Final = 0.010
# However dear inputs seem to be: otherwise a first guess would never be put right.
ITEMS_MIN: Final = 4
# What a call is taken to last before any is known, in seconds.
_CALL_S, _ITEM_S = 0.05, 0.0001
# Models that anything is remembered of; names may be made up.
HABITS_MAX: Final = 256
# How long a model is asked by every caller alone after it did not answer a merged call as such.
ALONE_S: Final = 60.0
# How long a merged call is kept within a size that was found out.
CEILING_S: Final = 600.0


class Habit:
    """One model. Implements `Sizing`.

    Args:
        items_max: most inputs of a call.
    """

    __slots__ = ("_alone_until_s", "_ceiling", "_ceiling_until_s", "_fit")

    def __init__(self, items_max: int) -> None:
        self._fit = DurationFit(_ITEM_S, _CALL_S)
        self._ceiling = items_max
        self._alone_until_s = self._ceiling_until_s = float("-inf")

    def refresh(self, items_max: int, now_s: float) -> None:
        """Go by these settings, and forget what was found out long ago."""
        is_known = now_s < self._ceiling_until_s
        self._ceiling = min(items_max, self._ceiling) if is_known else items_max

    def is_alone(self, now_s: float) -> bool:
        """Whether everybody is to ask alone."""
        return now_s < self._alone_until_s

    def stay_alone(self, now_s: float) -> None:
        """A merged call was not answered as such."""
        self._alone_until_s = now_s + ALONE_S

    def cap(self, items: int, now_s: float) -> None:
        """A call with more inputs was refused, and its parts were not."""
        self._ceiling = max(1, min(items, self._ceiling))
        self._ceiling_until_s = now_s + CEILING_S

    def size(self, waited_s: float) -> int:
        more = max(0.0, ADDED_S_MAX - waited_s) / self._fit.item_s
        return min(self._ceiling, max(ITEMS_MIN, 1 + int(more)))

    def observe(self, items: int, duration_s: float) -> None:
        self._fit.observe(items, duration_s)

    @property
    def one_s(self) -> float:
        return self._fit.expected_s(1)


class Habits:
    """Those of the models that were asked last."""

    def __init__(self) -> None:
        self._habits: OrderedDict[tuple[str, str], Habit] = OrderedDict()

    def of(self, provider: str, model: str, items_max: int, now_s: float) -> Habit:
        """What is known of a model."""
        name = (provider, model)
        habit = self._habits.get(name)
        if habit is None:
            habit = self._habits[name] = Habit(items_max)
            if len(self._habits) > HABITS_MAX:
                self._habits.popitem(last=False)
        else:
            self._habits.move_to_end(name)
            habit.refresh(items_max, now_s)
        return habit
