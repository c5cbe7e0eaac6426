"""What may be spent: budgets, and the books of what was. Pure but for the clock it is handed.

A call that sets out reserves the most that it will probably cost in every budget that applies to
it, and only where all of them have room; when it has ended, what it reserved is given back and
what it cost is booked, in the day and the month in which it was reserved. So calls under way never
come to more than a budget together, as long as none costs more than it reserved: a budget is
overspent by at most what the calls under way cost beyond their estimates.
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, tzinfo
from itertools import product
from math import inf
from typing import Final, NamedTuple

import msgspec

from headrace.identity.periods import Calendar, Period, Window
from headrace.identity.tallies import Sums, Tally, TallyTable, nano

# Combinations of names that budgets are remembered for; names of models may be made up.
_FOUND_MAX: Final = 1024
# Rows that models and intents may have in the books; the rest is counted as one.
_NAMES_MAX: Final = 256
_OTHER: Final = "other"
# No name holds it.
_PARTED: Final = "\n"

DIMENSIONS: Final = ("key", "tenant", "model", "intent")


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
        name: what messages call it; no two have the same.
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
    """

    budget: "Budget"
    period: Period
    limit_usd: float
    spent_usd: float
    reserved_usd: float
    needed_usd: float
    reset_s: float | None


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

    def shortages(self, amount: int, wall_s: float) -> Iterator[Shortage]:
        """Where a call that may cost so many billionths has no room; the lock is held."""
        for period, limit in self._limits:
            window = self.calendar.window(period, wall_s)
            used = self.tally.used(period, window.number)
            if used >= limit or used + amount > limit:
                sums = self.tally.sums(period, window.number)
                # A new day is of no use to what is more than a whole day's budget.
                is_ever = limit > 0 and amount <= limit
                yield Shortage(
                    self,
                    period,
                    limit / 1e9,
                    sums.spent / 1e9,
                    sums.reserved / 1e9,
                    amount / 1e9,
                    window.end_s - wall_s if is_ever else None,
                )

    def standings(self, wall_s: float) -> Iterator[tuple[Period, float, Sums, Window]]:
        """For each limit: the period, US dollars, what was spent of it, and when it is."""
        for period, limit in self._limits:
            window = self.calendar.window(period, wall_s)
            yield period, limit / 1e9, self.tally.sums(period, window.number), window


Part = tuple[Tally, Period, int]


class Entry(NamedTuple):
    """One line of the books.

    Attributes:
        dimension: what it is: `key`, `tenant`, `model` or `intent`.
        name: which.
        day: what was spent today.
        month: what was spent this month.
        day_before: what was spent yesterday.
        month_before: what was spent last month.
    """

    dimension: str
    name: str
    day: Sums
    month: Sums
    day_before: Sums
    month_before: Sums


class Reservation:
    """What one call may cost, until it has ended.

    Args:
        purse: who gave it.
        parts: where it is reserved, and in which day and month.
        amount: billionths of a US dollar.
    """

    __slots__ = ("_amount", "_parts", "_purse")

    def __init__(self, purse: "Purse", parts: tuple[Part, ...], amount: int) -> None:
        self._purse = purse
        self._parts = parts
        self._amount = amount

    @property
    def usd(self) -> float:
        """The most that it will probably cost."""
        return self._amount / 1e9

    def settle(self, cost_usd: float, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Give back what was reserved, and book what it cost, once."""
        parts, self._parts = self._parts, ()
        cost, tokens = nano(cost_usd), (input_tokens, output_tokens)
        with self._purse.lock:
            for tally, period, number in parts:
                tally.book(period, number, cost, tokens)
                tally.release(period, number, self._amount)

    def give_back(self) -> None:
        """Nothing was asked, so nothing is booked."""
        parts, self._parts = self._parts, ()
        with self._purse.lock:
            for tally, period, number in parts:
                tally.release(period, number, self._amount)


class Purse:
    """All budgets and the books of one process. Belongs to one event loop.

    Args:
        table: what is counted, by all processes that share it.
        wall_s: tells the time, seconds since the epoch.

    Attributes:
        lock: held while amounts are compared and taken.
        budgets: those in force, in the order of the settings.
    """

    def __init__(self, table: TallyTable, wall_s: Callable[[], float]) -> None:
        self.lock = table.lock
        self.budgets: tuple[Budget, ...] = ()
        self._table = table
        self._wall_s = wall_s
        self._found: dict[Payer, tuple[Budget, ...]] = {}
        self._calendars: dict[str, Calendar] = {}
        self._elsewhere = Calendar()
        self._known: dict[str, set[str]] = {"model": set(), "intent": set()}

    def adopt(self, terms: Iterable[Terms], zones: Mapping[str, tzinfo], zone: tzinfo) -> None:
        """Go by other budgets; what was spent still counts.

        Args:
            terms: the budgets.
            zones: where the days and months of tenants begin, by tenant.
            zone: where they do for all others.
        """
        budgets = []
        for each in terms:
            tally = self._table.tally(f"budget{_PARTED}{each.name}")
            if tally is not None:  # else there are thousands of them
                budgets.append(Budget(each, tally))
        self.budgets = tuple(budgets)
        self._calendars = {tenant: Calendar(each) for tenant, each in zones.items()}
        self._elsewhere = Calendar(zone)
        self._found.clear()

    def of(self, payer: Payer) -> tuple[Budget, ...]:
        """The budgets that apply to a call."""
        found = self._found.get(payer)
        if found is None:
            if len(self._found) >= _FOUND_MAX:
                self._found.clear()
            found = tuple(each for each in self.budgets if each.terms.applies_to(payer))
            self._found[payer] = found
        return found

    def strictest(self, payer: Payer) -> tuple[State, Budget | None]:
        """How the one stands, of those that apply to a call, that has least left."""
        wall_s = self._wall_s()
        states = [(budget.state(wall_s), budget) for budget in self.of(payer)]
        if not states:
            return State.OK, None
        return max(states, key=lambda each: each[0])

    def reserve(self, payer: Payer, booked_as: str, usd: float) -> Reservation | Shortage:
        """Take what a call may cost from every budget that applies, where all have room.

        Args:
            payer: whose call it is.
            booked_as: the model that the books name.
            usd: the most that it will probably cost, in US dollars.

        Returns:
            What was taken; or, where one has no room, the one that takes longest to have it again.
        """
        amount, wall_s = nano(usd), self._wall_s()
        budgets, rows = self.of(payer), self._rows(payer, booked_as)
        with self.lock:
            shortages = [short for each in budgets for short in each.shortages(amount, wall_s)]
            if shortages:
                return max(shortages, key=_reset_s)
            counted = [(each.tally, each.calendar) for each in budgets] + rows
            parts = tuple(
                (tally, period, calendar.window(period, wall_s).number)
                for (tally, calendar), period in product(counted, Period)
            )
            for tally, period, number in parts:
                tally.reserve(period, number, amount)
        return Reservation(self, parts, amount)

    def books(self) -> list[Entry]:
        """What was spent today and this month, by key, tenant, model and intent."""
        wall_s, entries = self._wall_s(), []
        for row in self._table.names():
            dimension, _, rest = row.partition(_PARTED)
            tally = self._table.tally(row)
            if dimension in DIMENSIONS and tally is not None:
                name, _, tenant = rest.partition(_PARTED)
                calendar = self._calendars.get(tenant, self._elsewhere)
                now = [calendar.window(period, wall_s) for period in Period]
                numbers = [window.number for window in now] + [
                    calendar.window(period, now[period].start_s - 1).number for period in Period
                ]
                sums = [
                    tally.sums(period, number)
                    for period, number in zip((*Period, *Period), numbers, strict=True)
                ]
                entries.append(Entry(dimension, name, *sums))
        return entries

    def _rows(self, payer: Payer, model: str) -> list[tuple[Tally, Calendar]]:
        """Where the books count a call: what is a tenant's, in the calendar of the tenant."""
        tenant = payer.tenant
        names = {
            "key": payer.key and f"{payer.key}{_PARTED}{tenant}",
            "tenant": tenant and f"{tenant}{_PARTED}{tenant}",
            "model": self._bounded("model", model),
            "intent": self._bounded("intent", payer.intent),
        }
        own, general = self._calendars.get(tenant, self._elsewhere), self._elsewhere
        rows = []
        for dimension, name in names.items():
            tally = self._table.tally(f"{dimension}{_PARTED}{name}") if name else None
            if tally is not None:
                rows.append((tally, own if dimension in ("key", "tenant") else general))
        return rows

    def _bounded(self, dimension: str, name: str) -> str:
        """A name that callers may have made up, or what stands for one too many."""
        known = self._known[dimension]
        if name and name not in known:
            if len(known) >= _NAMES_MAX:
                return _OTHER
            known.add(name)
        return name


def _reset_s(shortage: Shortage) -> float:
    return inf if shortage.reset_s is None else shortage.reset_s
