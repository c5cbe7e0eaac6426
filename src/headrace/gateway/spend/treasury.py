"""Spending as an engine has it: made when it is wanted, told to the console, shown in metrics."""

import mmap
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from headrace.clock import Clock
from headrace.gateway.plan import Plan
from headrace.gateway.spend.spending import Spending, targets_of
from headrace.identity.budget_terms import terms_of
from headrace.identity.budgets import Budget, Leasing
from headrace.identity.periods import Period
from headrace.identity.purse import Entry, claimed
from headrace.identity.tallies import NANO, Sums, TallyTable
from headrace.observe.families import BUDGETS_MAX
from headrace.observe.metrics import Metrics
from headrace.settings import Settings
from headrace.store.voice import Say

LeasingTold = Callable[[], Leasing]

_CELL_BYTES: Final = 8
_PLURALS: Mapping[str, str] = {
    "key": "keys",
    "tenant": "tenants",
    "model": "models",
    "intent": "intents",
}


class Treasury:
    """Belongs to one event loop.

    Args:
        table: what is counted together with other processes; `None`: this one counts alone.
        plan: what the settings say at the moment.
        clock: the time.
        metrics: counts.
        say: tells what the operator should know.
    """

    def __init__(
        self,
        table: TallyTable | None,
        plan: Callable[[], Plan],
        clock: Clock,
        metrics: Metrics,
        say: Say,
    ) -> None:
        self._table = table
        self._plan = plan
        self._clock = clock
        self._metrics = metrics
        self._say = say
        self._spending: Spending | None = None
        self._leasing: LeasingTold | None = None
        self._is_on = False

    @property
    def spending(self) -> Spending | None:
        """What admits calls and books them, where that is wanted."""
        return self._spending if self._is_on else None

    @property
    def table(self) -> TallyTable:
        """Where all is counted; memory is taken for it when it is wanted."""
        if self._table is None:
            self._table = _own_table()
        return self._table

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Those in force."""
        return () if self.spending is None else self.spending.purse.budgets

    def lease_by(self, leasing: LeasingTold | None) -> None:
        """Spend no more of budgets than is leased.

        Args:
            leasing: tells how far they are; `None` where nobody else spends the same.
        """
        self._leasing = leasing
        if self._spending is not None:
            self._spending.purse.leasing = leasing

    def check(self, settings: Settings) -> None:
        """Whether these settings could be gone by; takes the rows of their budgets.

        Raises:
            SettingsInvalid: there is no room for a budget.
        """
        if settings.budgets:
            claimed(self.table, terms_of(settings))

    def adopt(self, settings: Settings) -> Spending | None:
        """Go by these settings; gives what admits calls and books them, where that is wanted.

        Raises:
            SettingsInvalid: there is no room for a budget.
        """
        self._is_on = settings.spend.enabled or bool(settings.budgets)
        if not self._is_on:
            return None
        if self._spending is None:
            self._spending = Spending(self.table, self._plan, self._clock, self._metrics, self._say)
            self._spending.purse.leasing = self._leasing
        self._spending.adopt(settings)
        self._tell_unpriced(settings)
        return self._spending

    def told(self) -> dict[str, Any]:
        """What was spent by all processes of the machine, and what is left, as plain data."""
        spending = self.spending
        if spending is None:
            return {"enabled": False}
        wall_s, purse = self._clock.wall_s(), spending.purse
        books = purse.books()
        lists = {
            plural: [_entry_told(each) for each in books if each.dimension == dimension]
            for dimension, plural in _PLURALS.items()
        }
        return {
            "enabled": True,
            **lists,
            "budgets": [_budget_told(budget, wall_s) for budget in purse.budgets],
        }

    def refresh_gauges(self) -> None:
        """Say how much of each budget is used; of many, of the first ones."""
        spending, gauge = self.spending, self._metrics.budget_used
        shares: dict[tuple[int, str], float] = {}
        if spending is not None:
            wall_s = self._clock.wall_s()
            for number, budget in enumerate(spending.purse.budgets[:BUDGETS_MAX], 1):
                for period, limit_usd, sums, _ in budget.standings(wall_s):
                    used_usd = (sums.spent + sums.reserved) / NANO
                    shares[number, period.word] = used_usd / limit_usd if limit_usd else 1.0
        for number in range(1, BUDGETS_MAX + 1):
            for period in Period:
                share = shares.get((number, period.word), 0.0)
                gauge.set_at(gauge.at(number, period.word), share)

    def _tell_unpriced(self, settings: Settings) -> None:
        """Say of which models of the settings the price is not known."""
        plan = self._plan()
        for target in targets_of(settings):
            provider, _, model = target.partition("/")
            if plan.price(plan.lanes[provider], model) is None:
                what = "are refused" if settings.spend.unpriced == "refuse" else "count nothing"
                self._say(
                    "warning",
                    "price_unknown",
                    about=target,
                    detail=f"its calls {what} where there is a budget (models.NAME.price)",
                )


def _own_table() -> TallyTable:
    memory = mmap.mmap(-1, TallyTable.cells_for(1) * _CELL_BYTES)
    return TallyTable(memoryview(memory).cast("q"))


def _entry_told(entry: Entry) -> dict[str, Any]:
    whose = {"tenant": entry.tenant} if entry.dimension == "key" else {}
    return {
        "name": entry.name,
        **whose,
        "today": _sums_told(entry.day),
        "yesterday": _sums_told(entry.day_before),
        "this_month": _sums_told(entry.month),
        "last_month": _sums_told(entry.month_before),
    }


def _sums_told(sums: Sums) -> dict[str, Any]:
    return {
        "usd": sums.spent / NANO,
        "reserved_usd": sums.reserved / NANO,
        "calls": sums.calls,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
    }


def _budget_told(budget: Budget, wall_s: float) -> dict[str, Any]:
    terms = budget.terms
    named = {each: getattr(terms, each) for each in _PLURALS}
    return {
        "name": terms.name,
        "for": {what: which for what, which in named.items() if which is not None},
        "state": budget.state(wall_s).name.lower(),
        "cheaper": terms.cheaper or None,
        **dict(_standings_told(budget, wall_s)),
    }


def _standings_told(budget: Budget, wall_s: float) -> Iterator[tuple[str, dict[str, Any]]]:
    for period, limit_usd, sums, window in budget.standings(wall_s):
        spent_usd, reserved_usd = sums.spent / NANO, sums.reserved / NANO
        yield (
            period.word,
            {
                "limit_usd": limit_usd,
                "spent_usd": spent_usd,
                "reserved_usd": reserved_usd,
                "left_usd": max(0.0, limit_usd - spent_usd - reserved_usd),
                "ends_at": datetime.fromtimestamp(window.end_s, budget.terms.zone).isoformat(),
            },
        )
