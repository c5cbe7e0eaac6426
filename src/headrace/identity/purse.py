"""The purse: what is taken from budgets for calls under way, and the books of what was spent.

A call that sets out reserves the most that it will probably cost in every budget that applies to
it, and only where all of them have room; when it has ended, what it reserved is given back and
what it cost is booked, in the day and the month in which it was reserved. So calls under way never
come to more than a budget together, as long as none costs more than it reserved: a budget is
overspent by at most what the calls under way cost beyond their estimates.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from itertools import product
from math import inf
from typing import Final, NamedTuple

from headrace.errors import SettingsInvalid
from headrace.identity.budgets import Budget, Leasing, Payer, Shortage, State, Terms
from headrace.identity.periods import Calendar, Period
from headrace.identity.tallies import NANO, Sums, Tally, TallyTable, nano

# Combinations of names that budgets are remembered for; names of models may be made up.
_FOUND_MAX: Final = 1024
# Rows that models and intents may have in the books, those of settings not counted; the rest is
# counted as one.
_NAMES_MAX: Final = 256
_OTHER: Final = "other"
# No name holds it.
_PARTED: Final = "\n"
BUDGET_ROW: Final = f"budget{_PARTED}"

DIMENSIONS: Final = ("key", "tenant", "model", "intent")

Part = tuple[Tally, Period, int]


class Entry(NamedTuple):
    """One line of the books.

    Attributes:
        dimension: what it is: `key`, `tenant`, `model` or `intent`.
        name: which.
        tenant: whose key it is, or the tenant itself; else empty.
        day: what was spent today.
        month: what was spent this month.
        day_before: what was spent yesterday.
        month_before: what was spent last month.
    """

    dimension: str
    name: str
    tenant: str
    day: Sums
    month: Sums
    day_before: Sums
    month_before: Sums


class NoRoom(SettingsInvalid):
    """There is no room to count some budgets.

    Args:
        message: says so.
        names: of those budgets.

    Attributes:
        names: see above.
    """

    def __init__(self, message: str, names: frozenset[str]) -> None:
        super().__init__(message)
        self.names = names


class Reservation:
    """What one call may cost, until it has ended.

    Args:
        purse: who gave it.
        parts: where it is reserved, and in which day and month.
        model: the same in the books of the model, the last of `parts` or none.
        amount: billionths of a US dollar.
    """

    __slots__ = ("_amount", "_model", "_parts", "_purse")

    def __init__(
        self, purse: "Purse", parts: tuple[Part, ...], model: tuple[Part, ...], amount: int
    ) -> None:
        self._purse = purse
        self._parts = parts
        self._model = model
        self._amount = amount

    @property
    def usd(self) -> float:
        """The most that it will probably cost."""
        return self._amount / NANO

    def settle(
        self,
        cost_usd: float,
        input_tokens: int = 0,
        output_tokens: int = 0,
        booked_as: str = "",
        *,
        has_answered: bool = True,
    ) -> None:
        """Give back what was reserved, and book what it cost, once.

        Args:
            cost_usd: what it cost, in US dollars.
            input_tokens: what it used.
            output_tokens: the same.
            booked_as: the model that has answered, where it may be another than was asked first.
            has_answered: whether that is a model for sure, and no name that somebody made up.
        """
        parts, self._parts = self._parts, ()
        if parts:
            row = self._purse.model_row(booked_as, has_answered=has_answered) if booked_as else None
            self._book(parts, self._amount, nano(cost_usd), (input_tokens, output_tokens), row)

    def add(self, cost_usd: float, input_tokens: int, booked_as: str) -> None:
        """Book another call for the same, that nothing was held for; what is held stays so.

        Args:
            cost_usd: what it cost, in US dollars.
            input_tokens: what it used.
            booked_as: the model that was asked.
        """
        row = self._purse.model_row(booked_as)
        self._book(self._parts, 0, nano(cost_usd), (input_tokens, 0), row)

    def give_back(self) -> None:
        """Nothing was asked, so nothing is booked."""
        parts, self._parts = self._parts, ()
        with self._purse.lock:
            for tally, period, number in parts:
                tally.release(period, number, self._amount)

    def _book(
        self,
        parts: tuple[Part, ...],
        held: int,
        cost: int,
        tokens: tuple[int, int],
        answered: Tally | None,
    ) -> None:
        with self._purse.lock:
            for part in parts:
                tally, period, number = part
                tally.release(period, number, held)
                if answered is not None and part in self._model:
                    tally = answered
                    tally.reserve(period, number, 0)
                tally.book(period, number, cost, tokens)


class Purse:
    """All budgets and the books of one process. Belongs to one event loop.

    Args:
        table: what is counted, by all processes that share it.
        wall_s: tells the time, seconds since the epoch.

    Attributes:
        lock: held while amounts are compared and taken.
        budgets: those in force, in the order of the settings.
        leasing: tells how far budgets are leased, where other machines spend the same.
    """

    def __init__(self, table: TallyTable, wall_s: Callable[[], float]) -> None:
        self.lock = table.lock
        self.leasing: Callable[[], Leasing] | None = None
        self.budgets: tuple[Budget, ...] = ()
        self._table = table
        self._wall_s = wall_s
        self._found: dict[Payer, tuple[Budget, ...]] = {}
        self._calendars: dict[str, Calendar] = {}
        self._elsewhere = Calendar()
        self._models: frozenset[str] = frozenset()
        self._rows_read = 0
        self._rows_of = dict.fromkeys(DIMENSIONS, 0)

    def adopt(
        self,
        terms: Iterable[Terms],
        zones: Mapping[str, tzinfo],
        zone: tzinfo,
        models: frozenset[str] = frozenset(),
    ) -> None:
        """Go by other budgets; what was spent still counts.

        Args:
            terms: the budgets.
            zones: where the days and months of tenants begin, by tenant.
            zone: where they do for all others.
            models: have rows in the books in any case.

        Raises:
            SettingsInvalid: there is no room for a budget; the old ones stay.
        """
        self.budgets = claimed(self._table, terms)
        self._models = models
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

    def cheaper(self, payer: Payer) -> str:
        """The model that a budget which is soft names, of those that apply to a call."""
        wall_s = self._wall_s()
        for budget in self.of(payer):
            if budget.terms.cheaper and budget.state(wall_s) is not State.OK:
                return budget.terms.cheaper
        return ""

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
        budgets, rows, model = self.of(payer), self._rows(payer), self.model_row(booked_as)
        with self.lock:
            leasing = None if self.leasing is None else self.leasing()
            shortages = [
                short for each in budgets for short in each.shortages(amount, wall_s, leasing)
            ]
            if shortages:  # under the lock still: more may have to be leased
                return max(shortages, key=_reset_s)
            counted = [(each.tally, each.calendar) for each in budgets] + rows
            if model is not None:
                counted.append((model, self._elsewhere))
            parts = tuple(
                (tally, period, calendar.window(period, wall_s).number)
                for (tally, calendar), period in product(counted, Period)
            )
            for tally, period, number in parts:
                tally.reserve(period, number, amount)
        in_model = parts[-len(Period) :] if model is not None else ()
        return Reservation(self, parts, in_model, amount)

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
                entries.append(Entry(dimension, name, tenant, *sums))
        return entries

    def model_row(self, name: str, *, has_answered: bool = False) -> Tally | None:
        """Where the books count the calls of a model; all have the same days and months.

        Args:
            name: the model.
            has_answered: it gets a row of its own if it has none; so a name that a caller made up
                never does.
        """
        return self._named_row("model", name, makes=has_answered or name in self._models)

    def _rows(self, payer: Payer) -> list[tuple[Tally, Calendar]]:
        """Where the books count a call besides; what is a tenant's, in its own calendar."""
        tenant, spare = payer.tenant, self._table.spare
        own = self._calendars.get(tenant, self._elsewhere)
        named = (
            (payer.key and spare(f"key{_PARTED}{payer.key}{_PARTED}{tenant}"), own),
            (tenant and spare(f"tenant{_PARTED}{tenant}{_PARTED}{tenant}"), own),
            (payer.intent and self._named_row("intent", payer.intent, makes=True), self._elsewhere),
        )
        return [(tally, calendar) for tally, calendar in named if tally]

    def _named_row(self, dimension: str, name: str, *, makes: bool) -> Tally | None:
        """The row of a name, or of what stands for one too many."""
        row = f"{dimension}{_PARTED}{name}"
        tally = self._table.find(row)
        if tally is None and makes and (name in self._models or self._has_room(dimension)):
            tally = self._table.spare(row)
        return self._table.spare(f"{dimension}{_PARTED}{_OTHER}") if tally is None else tally

    def _has_room(self, dimension: str) -> bool:
        """Whether another name gets a row; those that other processes have made count."""
        if self._rows_read < len(self._table):
            names = self._table.names()
            for row in names[self._rows_read :]:
                of, _, name = row.partition(_PARTED)
                if of in self._rows_of and name != _OTHER and name not in self._models:
                    self._rows_of[of] += 1
            self._rows_read = len(names)
        return self._rows_of[dimension] < _NAMES_MAX


def claimed(table: TallyTable, terms: Iterable[Terms]) -> tuple[Budget, ...]:
    """Budgets, each with its row; the first ones get those that are left.

    Raises:
        NoRoom: there is no room for some.
    """
    budgets, missing = [], list[str]()
    for each in terms:
        row = BUDGET_ROW + (each.row or each.name)
        tally = table.find(row) if missing else table.tally(row)
        if tally is None:
            missing.append(each.name)
        else:
            budgets.append(Budget(each, tally))
    if missing:
        raise NoRoom(
            f"budgets: there is no room to count '{missing[0]}': {len(table)} budgets, keys, "
            "tenants, models and intents are counted. Those of settings before these count "
            "too until the gateway is started again.",
            frozenset(missing),
        )
    return tuple(budgets)


def has_room(table: TallyTable, name: str) -> bool:
    """Whether a budget of this name can be counted; one that was once can."""
    return not table.is_full or table.find(BUDGET_ROW + name) is not None


def _reset_s(shortage: Shortage) -> tuple[bool, float]:
    # What is known to be used up, before what may not be.
    return not shortage.is_unknown, inf if shortage.reset_s is None else shortage.reset_s
