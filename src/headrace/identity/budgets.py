"""What may be spent: one budget, whom it is for, and how it stands. Pure."""

import enum
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Final, NamedTuple

import msgspec

from headrace.identity.periods import Calendar, Period, Window
from headrace.identity.tallies import NANO, Sums, Tally, nano

# By then others may have given back what they hold, or the store have said that there is more.
_LEASED_S: Final = 1.0


class State(enum.IntEnum):
    """How a budget stands."""

    OK = 0
    SOFT = 1  # the part that should be enough is used: what is asked should be cheaper
    HARD = 2  # all of it is used


class Payer(NamedTuple):
    """For whom and for what a call is made.

    Attributes:
        key: name of the caller's key.
        tenant: whose key it is.
        models: what the model is called, by the caller and by providers.
        intent: what is wanted, where that is known.
    """

    key: str
    tenant: str
    models: frozenset[str] = frozenset()
    intent: str = ""


class Terms(msgspec.Struct, frozen=True):
    """One budget, as the settings say it.

    Attributes:
        name: what messages call it.
        key: the key it is for; `None`, here and below, for every one.
        tenant: the tenant it is for.
        model: the model it is for.
        intent: the intent it is for.
        day_usd: what may be spent in a day, in US dollars; `None` for no bound.
        month_usd: what may be spent in a month.
        soft_share: from which part of either on what is asked should be cheaper.
        cheaper: the model that is asked then; empty where that is somebody else's decision.
        status: of the answer, where it is used up.
        zone: where its days and months begin.
        row: where it is counted, if not under its name.
    """

    name: str
    key: str | None = None
    tenant: str | None = None
    model: str | None = None
    intent: str | None = None
    day_usd: float | None = None
    month_usd: float | None = None
    soft_share: float = 1.0
    cheaper: str = ""
    status: int = 429
    zone: tzinfo = UTC
    row: str = ""

    def applies_to(self, payer: Payer) -> bool:
        """Whether a call counts."""
        return (
            self.key in (None, payer.key)
            and self.tenant in (None, payer.tenant)
            and (self.model is None or self.model in payer.models)
            and self.intent in (None, payer.intent)
        )


class Shortage(NamedTuple):
    """Why a call may not be made.

    Attributes:
        budget: which has no room for it.
        period: for what time.
        limit_usd: what may be spent in that.
        spent_usd: what was spent.
        reserved_usd: what calls under way may cost.
        needed_usd: what this one may cost.
        reset_s: seconds until the next day or month; `None` where that will be of no use.
        is_held: whether it is others that hold the rest, who may give some of it back.
        is_unknown: whether there may be room after all, which the store would have to say first.
        is_awaited: whether it will probably do so in a moment.
    """

    budget: "Budget"
    period: Period
    limit_usd: float
    spent_usd: float
    reserved_usd: float
    needed_usd: float
    reset_s: float | None
    is_held: bool = False
    is_unknown: bool = False
    is_awaited: bool = False


class Leasing(NamedTuple):
    """How far budgets are leased from a store that machines share.

    Attributes:
        is_fresh: whether the store has answered of late, so that what it lends counts.
        allows: whether calls go on where nothing is leased and the store does not answer.
        is_awaited: whether the store will probably answer in a moment: it has done so of late, or
            was never asked before.
    """

    is_fresh: bool
    allows: bool = False
    is_awaited: bool = False


class Budget:
    """One budget. Belongs to one event loop.

    Args:
        terms: what it allows.
        tally: where it is counted, by all processes.

    Attributes:
        terms: see above.
        tally: see above.
        calendar: its days and months.
    """

    __slots__ = ("_limits", "calendar", "tally", "terms")

    def __init__(self, terms: Terms, tally: Tally) -> None:
        self.terms = terms
        self.tally = tally
        self.calendar = Calendar(terms.zone)
        both = ((Period.DAY, terms.day_usd), (Period.MONTH, terms.month_usd))
        self._limits = tuple((period, nano(usd)) for period, usd in both if usd is not None)

    def state(self, wall_s: float) -> State:
        """How it stands.

        Args:
            wall_s: seconds since the epoch.
        """
        state = State.OK
        for period, limit in self._limits:
            used = self.tally.used(period, self.calendar.window(period, wall_s).number)
            if used >= limit:
                return State.HARD
            if used >= limit * self.terms.soft_share:
                state = State.SOFT
        return state

    def shortages(
        self, amount: int, wall_s: float, leasing: Leasing | None = None
    ) -> Iterator[Shortage]:
        """Where a call that may cost so many billionths has no room; the lock is held.

        Args:
            amount: what it may cost.
            wall_s: seconds since the epoch.
            leasing: where other machines spend the same.
        """
        for period, limit in self._limits:
            window = self.calendar.window(period, wall_s)
            used = self.tally.used(period, window.number)
            # A new day is of no use to what is more than a whole day's budget.
            is_ever = limit > 0 and amount <= limit
            if used >= limit or used + amount > limit:
                reset_s = window.end_s - wall_s if is_ever else None
                yield self._shortage(period, window.number, limit, amount, reset_s)
            elif leasing is not None and not self._is_leased(
                period, window.number, amount, leasing
            ):
                self.tally.touch()  # so that more is leased
                short = self._shortage(period, window.number, limit, amount, _LEASED_S)
                taken = used + self.tally.elsewhere.held(period, window.number)
                is_held = leasing.is_fresh and taken + amount > limit
                yield short._replace(
                    is_held=is_held,
                    is_unknown=not is_held,
                    is_awaited=leasing.is_awaited and not is_held,
                )

    def _is_leased(self, period: Period, number: int, amount: int, leasing: Leasing) -> bool:
        """Whether this machine may use so much more, of what all of them may."""
        lease = self.tally.elsewhere.lease(period, number)
        if lease is None:  # a budget that is new has room, or others would have said so
            return leasing.is_fresh or leasing.allows
        most = lease.granted + (lease.lent if leasing.is_fresh else 0)
        if self.tally.used_here(period, number) + amount <= most:
            return True
        return leasing.allows and not leasing.is_fresh

    def _shortage(
        self, period: Period, number: int, limit: int, amount: int, reset_s: float | None
    ) -> Shortage:
        sums = self.tally.sums(period, number)
        held = (sums.reserved + self.tally.elsewhere.held(period, number)) / NANO
        spent, needed = sums.spent / NANO, amount / NANO
        return Shortage(self, period, limit / NANO, spent, held, needed, reset_s)

    def windows(self, wall_s: float) -> Iterator[tuple[Period, int, Window]]:
        """For each limit: the period, billionths of a US dollar, and when it is."""
        for period, limit in self._limits:
            yield period, limit, self.calendar.window(period, wall_s)

    def standings(self, wall_s: float) -> Iterator[tuple[Period, float, Sums, Window]]:
        """For each limit: the period, US dollars, what was spent of it, and when it is."""
        for period, limit in self._limits:
            window = self.calendar.window(period, wall_s)
            yield period, limit / NANO, self.tally.sums(period, window.number), window
