"""What is learned of a provider's model by merging calls to it."""

from collections import OrderedDict
from typing import Final

from headrace.flow.batch.sizing import FixedSize

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

    __slots__ = ("_alone_until_s", "_ceiling", "_ceiling_until_s", "_fixed")

    def __init__(self, items_max: int) -> None:
        self._fixed = FixedSize(items_max)
        self._ceiling = items_max
        self._alone_until_s = self._ceiling_until_s = float("-inf")

    def refresh(self, items_max: int, now_s: float) -> None:
        """Go by these settings, and forget what was found out long ago."""
        self._fixed.size_max = items_max
        if now_s >= self._ceiling_until_s:
            self._ceiling = items_max

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
        return min(self._ceiling, self._fixed.size(waited_s))

    def observe(self, items: int, duration_s: float) -> None:
        self._fixed.observe(items, duration_s)

    @property
    def one_s(self) -> float:
        return self._fixed.one_s


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
