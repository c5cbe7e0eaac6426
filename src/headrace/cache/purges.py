"""What has been purged, as one process knows it. Pure.

Every purge has a number, larger than those of all purges before it; who hands the numbers out is
`valkey_purges`, a store, or this process alone. An answer carries the largest number that was
known when its call began: a purge with a larger number may concern it, one with a smaller cannot.

Numbers that a server hands out lie at least `NUMBER_STEP` apart. In between a process counts on
its own, when it learns of something that has no place in that order: `latest` changes with every
change here, so who has compared an entry at one `latest` need not compare it again.
"""

from collections.abc import Iterable
from itertools import islice
from math import inf
from typing import Final, NamedTuple

from headrace.clock import Clock, SystemClock

ALL: Final = "all"
"""The scope of everything."""

NUMBER_STEP: Final = 10_000
"""How far apart numbers lie at least, where they come from a server. There is room in between for
as many purges as one process may ask for while the server cannot be told."""

SCOPES_MAX: Final = 8192
"""About a megabyte; with more, the oldest purges become one of everything before them."""


# More than one is heard of, so that the old ones are soon gone, and never many in one go.
_FORGOTTEN_AT_ONCE_MAX: Final = 16


def number_at(wall_s: float) -> int:
    """The number that a purge at this time would have: microseconds since 1970."""
    return int(wall_s * 1e6)


class Held(NamedTuple):
    """A purge that waits for its number.

    Attributes:
        ticket: tells it from another one of the same scope.
    """

    scope: str
    ticket: int


class _Purge(NamedTuple):
    """The last purge of one scope.

    Attributes:
        number: what answers are compared with.
        told: the number it was told with; smaller, where it was told late.
        heard_s: when, monotonic seconds.
    """

    number: int
    told: int
    heard_s: float


class PurgeLedger:
    """The last purge of every scope that an answer may still be of. Never goes back.

    Args:
        clock: tells the time.
        keep_s: longest time from the beginning of a call until its answer has expired. Older
            purges are forgotten, for there is nothing left that they concern.
        scopes_max: purges that are kept apart.
    """

    __slots__ = ("_clock", "_floor", "_held", "_purges", "_scopes_max", "keep_s", "latest")

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        keep_s: float = inf,
        scopes_max: int = SCOPES_MAX,
    ) -> None:
        self.latest = 0
        """The largest number known. Answers are stamped with it when their call begins."""
        self._clock: Clock = clock or SystemClock()
        self.keep_s = keep_s
        """How long purges are remembered at least; may grow."""
        self._scopes_max = max(2, scopes_max)
        self._floor = 0
        # In the order of hearing, so that what is forgotten first stands first.
        self._purges: dict[str, _Purge] = {}
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._purges)

    def is_valid(self, record_seq: int, scopes: Iterable[str]) -> bool:
        """Whether what was stamped `record_seq` and has these scopes has survived every purge.

        A stamp above `latest` is not valid: purges that it knows are not known here, or it comes
        from an age whose numbers have nothing to do with these.
        """
        if self._held and (ALL in self._held or not self._held.keys().isdisjoint(scopes)):
            return False
        if record_seq >= self.latest:
            return record_seq == self.latest
        if record_seq < self._floor:
            return False
        purges = self._purges
        for scope in scopes:
            purge = purges.get(scope)
            if purge is not None and purge.number > record_seq:
                return False
        return True

    def apply(self, scope: str, number: int) -> bool:
        """A scope was purged, as somebody told with the purge's number; in any order.

        Returns:
            Whether that is news. Nothing changes where it is not.
        """
        for known in (self._purges.get(scope), self._purges.get(ALL)):
            if known is not None and number <= known.told:
                return False
        # Told late: answers held here may have been compared at numbers above it.
        effective = number if number > self.latest else self.latest + 1
        self.latest = effective
        if scope == ALL:
            self._purges = {
                name: purge for name, purge in self._purges.items() if purge.told > number
            }
            self._floor = effective
        else:
            self._purges.pop(scope, None)
        self._purges[scope] = _Purge(effective, number, self._clock.monotonic_s())
        self._forget()
        return True

    def issue(self, scope: str) -> int:
        """Purge a scope where nobody else hands out numbers; returns the purge's number."""
        number = max(self.latest + 1, number_at(self._clock.wall_s()))
        self.apply(scope, number)
        return number

    def learn(self, number: int) -> None:
        """Every purge up to a number has been applied."""
        self.latest = max(self.latest, number)

    def drop_before(self, number: int) -> None:
        """Nothing stamped below a number is valid any more, nor anything held at the moment."""
        self.latest = max(self.latest + 1, number)
        self._floor = self.latest

    def hold(self, scope: str) -> Held:
        """Purge a scope whose number is not known yet: nothing of it is valid until `release`.

        Returns:
            What is held; everything, where too many scopes are held already.
        """
        if scope not in self._held and len(self._held) >= self._scopes_max:
            scope = ALL
        self.latest += 1
        self._held[scope] = self.latest
        return Held(scope, self.latest)

    def release(self, held: Held) -> None:
        """The purge got its number, and was applied; a scope held again meanwhile stays held."""
        if self._held.get(held.scope) == held.ticket:
            del self._held[held.scope]

    def told(self) -> dict[str, int]:
        """The scopes kept, with the number each was last told with."""
        return {scope: purge.told for scope, purge in self._purges.items()}

    def _forget(self) -> None:
        oldest_s = self._clock.monotonic_s() - self.keep_s
        for scope, purge in list(islice(self._purges.items(), _FORGOTTEN_AT_ONCE_MAX)):
            if purge.heard_s >= oldest_s:
                break
            del self._purges[scope]
        if len(self._purges) > self._scopes_max:
            self._fold()

    def _fold(self) -> None:
        """Make one purge of everything out of the older half; rare, so that sorting is cheap."""
        by_number = sorted(self._purges, key=lambda scope: self._purges[scope].number)
        half = [self._purges.pop(scope) for scope in by_number[: len(by_number) // 2 + 1]]
        if everything := self._purges.pop(ALL, None):
            half.append(everything)
        number, told, heard_s = (max(values) for values in zip(*half, strict=True))
        self._purges[ALL] = _Purge(int(number), int(told), heard_s)
        self._floor = max(self._floor, int(number))
