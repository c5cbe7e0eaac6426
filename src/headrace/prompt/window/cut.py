"""Where a conversation is cut, by nothing but how much its groups weigh. Pure.

What has to go is rounded up to whole steps, and what goes is then a matter of the groups before
the cut alone. So as long as a conversation grows by less than a step, everything that is sent stays
byte for byte what it was, with more behind it, and a provider's prompt cache goes on being of use.
Results of tools are cleared first, oldest first and none of the recent ones; where that is not
enough, the oldest groups are left out besides.

"Recent" has to hold still as well: it is counted back from the least that the conversation
must have weighed for this many steps to be due, not from where it ends today.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from headrace.prompt.window.groups import Group


class Cut(NamedTuple):
    """What becomes of each group.

    Attributes:
        start: the first group of those that stay; fixed ones stay before it too.
        opener: what the user said at the beginning of the turn that is cut in two, which stays.
        clear_end: groups before it have their results cleared.
    """

    start: int = 0
    opener: int = -1
    clear_end: int = 0


class Ledger:
    """What could be saved, summed up over the groups.

    Args:
        groups: of a conversation, none of them broken but perhaps the last.
        weights: tokens of each.
        savings: tokens that clearing its results saves, 0 for groups that are fixed.
        frame: tokens of everything else in the request.
        room: tokens there are for it all.
        step: tokens by whose multiples the cut moves.
        recent: tokens at the end whose results are not cleared, and which stay if possible.
    """

    __slots__ = (
        "_at",
        "_cleared",
        "_dropped",
        "_groups",
        "_last",
        "_openers",
        "_recent",
        "_step",
        "_weights",
        "excess",
        "room",
    )

    def __init__(
        self,
        groups: Sequence[Group],
        weights: Sequence[int],
        savings: Sequence[int],
        *,
        frame: int,
        room: int,
        step: int,
        recent: int,
    ) -> None:
        self._groups = groups
        self._weights = weights
        self._at = list(accumulate(weights, initial=frame))
        self._cleared = list(accumulate(savings, initial=0))
        loose = (0 if g.is_fixed else weight for g, weight in zip(groups, weights, strict=True))
        self._dropped = list(accumulate(loose, initial=0))
        self._openers = _openers(groups)
        self._last = max((i for i, g in enumerate(groups) if not g.is_fixed), default=0)
        self._step = max(1, step)
        self._recent = recent
        self.room = room
        self.excess = self._at[-1] - room

    def now(self) -> Cut | None:
        """The cut after which it fits, `None` where none is enough."""
        steps = -(-self.excess // self._step)
        calm_end = self._calm_end(steps)
        return (
            self._cut(steps * self._step, calm_end)
            or self._cut(self.excess, calm_end)
            or self._cut(self.excess, self._last)
        )

    def next(self, current: Cut) -> Cut | None:
        """The cut that follows when the conversation grows, as soon as that is certain."""
        steps = max(0, -(-self.excess // self._step)) + 1
        if self._calm_end(steps) > self._last:
            return None
        cut = self._cut(steps * self._step, self._calm_end(steps))
        if cut is None or cut.start <= current.start:
            return None
        is_certain = self._at[self._last] - self._at[cut.start] > self._step // 2
        return cut if is_certain else None

    def least(self) -> Cut:
        """What leaves least."""
        return Cut(self._last, self._openers[self._last] if self._openers else -1, self._last)

    def saved(self, cut: Cut) -> int:
        """How many tokens a cut saves."""
        start, opener, clear_end = cut
        kept = self._weights[opener] if self._is_apart(opener, start) else 0
        return self._gross(start, clear_end) - kept

    def _calm_end(self, steps: int) -> int:
        """The groups before it are not recent, however long the conversation is for its steps."""
        least = self.room + (steps - 1) * self._step
        return max(0, min(bisect_right(self._at, least - self._recent) - 1, self._last + 1))

    def _cut(self, wanted: int, calm_end: int) -> Cut | None:
        calm_end = min(calm_end, self._last)
        if self._cleared[calm_end] >= wanted:
            return Cut(clear_end=bisect_left(self._cleared, wanted, 0, calm_end + 1))
        starts = range(1, self._last + 1)
        # Without openers what is saved only grows; with them it is less.
        first = bisect_left(starts, wanted, key=lambda start: self._gross(start, calm_end))
        for start in starts[first:]:
            cut = Cut(start, self._openers[start], max(start, calm_end))
            if self.saved(cut) >= wanted:
                return self._at_turn(cut)
        return None

    def _gross(self, start: int, clear_end: int) -> int:
        cleared = self._cleared[max(start, clear_end)] - self._cleared[start]
        return self._dropped[start] + cleared

    def _at_turn(self, cut: Cut) -> Cut:
        """The same cut, or one at the beginning of the turn that follows soon."""
        start = cut.start
        behind = self._at[start] + self._step // 2
        while start <= self._last and self._at[start] <= behind:
            if self._groups[start].speaks:
                return Cut(start, start, max(start, cut.clear_end))
            start += 1
        return cut

    def _is_apart(self, opener: int, start: int) -> bool:
        return 0 <= opener < start and not self._groups[opener].is_fixed


def _openers(groups: Sequence[Group]) -> list[int]:
    """For each group what opened its turn, -1 where nothing did."""
    found, opener = [], -1
    for place, group in enumerate(groups):
        if group.speaks:
            opener = place
        found.append(opener)
    return found
