"""How several gateways share a budget without asking for each call. Pure.

Each gateway leases a part of what a budget has left, from a store that all of them share, and
spends it by itself. A lease has two parts: what is *granted* stays with it, also while the store is
away; what is *lent* counts only as long as the store answers, and ends by itself a few seconds
after. So a gateway may spend all that is left while it is alone and well, and holds back only a
small share of the budget when it is cut off or dies. Together the leases of a budget never come to
more than it has (Gray and Cheriton 1989, "Leases", for what ends by itself).
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from headrace.identity.elsewhere import Lease

# What is lent counts for so long after the store was asked. Whoever has not been heard of for
# longer has it taken away; the rest of its lease, after longer yet.
LENT_S: Final = 4.0
LAPSE_S: Final = 6.0
DEAD_S: Final = 15.0
# More time than this between two looks may have been spent asleep, and proves nothing.
_LOOK_S_MAX: Final = 1.0


class Held(NamedTuple):
    """The lease of another gateway.

    Attributes:
        granted: for good, what it has used included.
        lent: besides, while it is well.
        is_busy: whether it uses the budget.
    """

    granted: int
    lent: int
    is_busy: bool


def wanted(
    limit: int, used: int, others: Iterable[Held], chunk: int, *, is_busy: bool = True
) -> Lease:
    """What a gateway should ask for.

    Args:
        limit: of the budget, in billionths of a US dollar, as everything here.
        used: what this gateway has spent and holds.
        others: the leases of all other gateways.
        chunk: the most that it keeps beyond that for good.
        is_busy: whether it uses the budget, or nobody else could; what is lent goes to those who
            do, in equal parts.
    """
    held = list(others)
    left = max(0, limit - used - sum(each.granted for each in held))
    fair = left // (1 + sum(each.is_busy for each in held))
    kept = min(chunk, fair)
    return Lease(used + kept, fair - kept if is_busy else 0)


def granted(limit: int, taken: int, want: Lease, used: int) -> Lease:
    """What a gateway gets: what it wants, as far as there is room beside all others.

    Args:
        limit: of the budget.
        taken: what all others have leased.
        want: what is asked for.
        used: what it has used, which it gets in any case.
    """
    room = limit - taken
    kept = max(used, min(want.granted, room))
    return Lease(kept, max(0, min(want.lent, room - kept)))


class HolderWatch:
    """Which gateways are well, by how often they have been heard of: no clock but our own counts.

    A gateway counts its own signs of life in the store. One whose count stands still while it is
    looked at is away.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}  # count, and for how long it stood still
        self._looked_s: float | None = None

    def look(self, counts: Mapping[str, int], now_s: float) -> None:
        """Take in the counts of all gateways but this one.

        Args:
            counts: by gateway.
            now_s: monotonic seconds.
        """
        passed_s = 0.0 if self._looked_s is None else min(now_s - self._looked_s, _LOOK_S_MAX)
        self._looked_s = now_s
        seen = {}
        for holder, count in counts.items():
            before, still_s = self._seen.get(holder, (count - 1, 0.0))
            seen[holder] = (count, still_s + passed_s if count == before else 0.0)
        self._seen = seen

    def lapsed(self) -> dict[str, int]:
        """Those whose lent part has ended, with the count at which they stand."""
        return self._still(LAPSE_S)

    def dead(self) -> dict[str, int]:
        """Those whose lease is over altogether."""
        return self._still(DEAD_S)

    def _still(self, least_s: float) -> dict[str, int]:
        return {
            holder: count for holder, (count, still_s) in self._seen.items() if still_s >= least_s
        }
