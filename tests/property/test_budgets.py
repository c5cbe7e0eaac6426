"""Budgets hold, whoever asks in whatever order, and the books say what really was spent."""

from collections import defaultdict
from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from headrace.clock import ManualClock
from headrace.identity.budgets import Payer, Shortage, Terms
from headrace.identity.periods import Calendar, Period
from headrace.identity.purse import Purse, Reservation
from headrace.identity.tallies import TallyTable

WORKERS = 3
BERLIN = ZoneInfo("Europe/Berlin")
# An hour before clocks are put forward, in the night before a month ends.
BEGIN_S = datetime(2026, 3, 28, 23, tzinfo=BERLIN).timestamp()
TERMS = (
    Terms("acme", tenant="acme", day_usd=1.0, month_usd=2.5, zone=BERLIN),
    Terms("app", key="app", day_usd=0.5, zone=BERLIN),
    Terms("dear", model="dear", month_usd=1.5, zone=BERLIN),
    Terms("nothing", key="poor", day_usd=0.0, zone=BERLIN),
)
KEYS = ("app", "other", "poor")
MODELS = ("dear", "cheap")
CENTS = st.integers(0, 40).map(lambda cents: cents / 100)


class Call:
    """One call under way, as the test sees it."""

    def __init__(self, payer: Payer, taken: Reservation, usd: float, at_s: float) -> None:
        self.payer = payer
        self.taken = taken
        self.usd = usd
        self.at_s = at_s


class Budgets(RuleBasedStateMachine):
    """Workers that share a table; a plain model of what they spend."""

    calls = Bundle("calls")

    @initialize()
    def begin(self) -> None:
        self.clock = ManualClock(BEGIN_S)
        self.cells = memoryview(bytearray(TallyTable.cells_for(WORKERS, 32) * 8)).cast("q")
        self.purses = [self.purse(worker) for worker in range(WORKERS)]
        self.calendar = Calendar(BERLIN)
        self.spent: defaultdict[tuple[str, Period, int], float] = defaultdict(float)
        self.open: list[Call] = []

    def purse(self, worker: int) -> Purse:
        purse = Purse(TallyTable(self.cells, WORKERS, worker), self.clock.wall_s)
        purse.adopt(TERMS, {"acme": BERLIN}, BERLIN)
        return purse

    def number(self, period: Period, at_s: float) -> int:
        return self.calendar.window(period, at_s).number

    def used(self, terms: Terms, period: Period) -> float:
        """What was spent and may be, of a budget, now."""
        number = self.number(period, self.clock.wall_s())
        return self.spent[terms.name, period, number] + sum(
            call.usd
            for call in self.open
            if terms.applies_to(call.payer) and self.number(period, call.at_s) == number
        )

    def has_room(self, payer: Payer, usd: float) -> bool:
        for terms in TERMS:
            for period, limit in ((Period.DAY, terms.day_usd), (Period.MONTH, terms.month_usd)):
                if limit is None or not terms.applies_to(payer):
                    continue
                used = self.used(terms, period)
                if used + 1e-9 >= limit or used + usd > limit + 1e-9:
                    return False
        return True

    @rule(
        target=calls,
        worker=st.integers(0, WORKERS - 1),
        key=st.sampled_from(KEYS),
        model=st.sampled_from(MODELS),
        usd=CENTS,
    )
    def set_out(self, worker: int, key: str, model: str, usd: float) -> Call | None:
        payer = Payer(key, "acme", frozenset((model,)))
        may_go = self.has_room(payer, usd)
        taken = self.purses[worker].reserve(payer, model, usd)
        assert isinstance(taken, Reservation) is may_go
        if isinstance(taken, Shortage):
            assert (inf if taken.reset_s is None else taken.reset_s) > 0
            return None
        call = Call(payer, taken, usd, self.clock.wall_s())
        self.open.append(call)
        return call

    @rule(call=consumes(calls), part=st.integers(0, 100))
    def end(self, call: Call | None, part: int) -> None:
        if call is None or call not in self.open:
            return
        self.open.remove(call)
        cost_usd = round(call.usd * part / 100, 9)
        call.taken.settle(cost_usd, 10, 20)
        call.taken.settle(cost_usd, 10, 20)  # is counted once
        self.book(call, cost_usd)

    @rule(call=consumes(calls))
    def never_ask(self, call: Call | None) -> None:
        if call is not None and call in self.open:
            self.open.remove(call)
            call.taken.give_back()

    def book(self, call: Call, usd: float) -> None:
        """Count what a call cost, when it was reserved."""
        names = [terms.name for terms in TERMS if terms.applies_to(call.payer)]
        for name in (*names, f"tenant {call.payer.tenant}", f"key {call.payer.key}"):
            for period in Period:
                self.spent[name, period, self.number(period, call.at_s)] += usd

    @rule(hours=st.floats(0.1, 15))
    def time_passes(self, hours: float) -> None:
        # No call lasts until the day after the next.
        open_s = [call.at_s for call in self.open]
        if self.clock.wall_s() + hours * 3600 - min(open_s, default=inf) < 24 * 3600:
            self.clock.advance(hours * 3600)

    @rule(worker=st.integers(0, WORKERS - 1))
    def start_anew(self, worker: int) -> None:
        """The settings are read again."""
        self.purses[worker].adopt(TERMS, {"acme": BERLIN}, BERLIN)

    @invariant()
    def no_budget_is_overspent(self) -> None:
        if hasattr(self, "purses"):
            for terms in TERMS:
                for period, limit in ((Period.DAY, terms.day_usd), (Period.MONTH, terms.month_usd)):
                    assert limit is None or self.used(terms, period) <= limit + 1e-9

    @invariant()
    def every_worker_tells_the_books(self) -> None:
        if not hasattr(self, "purses"):
            return
        now_s = self.clock.wall_s()
        for purse in self.purses:
            for entry in purse.books():
                if entry.dimension not in ("key", "tenant"):
                    continue
                name = f"{entry.dimension} {entry.name}"
                for period, sums, before in (
                    (Period.DAY, entry.day, entry.day_before),
                    (Period.MONTH, entry.month, entry.month_before),
                ):
                    number = self.number(period, now_s)
                    assert abs(sums.spent / 1e9 - self.spent[name, period, number]) < 1e-6
                    told = self.spent[name, period, number - 1]
                    assert abs(before.spent / 1e9 - told) < 1e-6

    def teardown(self) -> None:
        if hasattr(self, "purses"):
            for call in self.open:
                call.taken.give_back()
            for purse in self.purses:
                assert all(each.day.reserved == each.month.reserved == 0 for each in purse.books())


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
