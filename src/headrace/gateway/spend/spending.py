"""Calls within budgets: who pays, how much is held, and what is said where there is no room."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Final

from headrace.clock import Clock
from headrace.dialects.base import Operation
from headrace.errors import BudgetExceeded, BudgetUnknown, Forbidden, HeadraceError
from headrace.gateway.flight import Flight
from headrace.gateway.order import Order
from headrace.gateway.plan import Lane, Plan
from headrace.gateway.spend.charge import Charge
from headrace.gateway.spend.outlook import Forecast, Outlooks
from headrace.gateway.spend.size import Size, size_of
from headrace.gateway.spend.waiting import LeaseWait, Resume
from headrace.identity.budget_terms import terms_of, zone_of, zones_of
from headrace.identity.budgets import Payer, Shortage, State
from headrace.identity.purse import Purse
from headrace.identity.tallies import TallyTable
from headrace.model import Price, Usage
from headrace.observe.metrics import Metrics
from headrace.routing.directory import Target
from headrace.settings import Settings
from headrace.store.voice import Say

CACHE: Final = "(cache)"
"""Who pays for what the cache asks by itself: as the key of calls for a tenant, and as the tenant
of those for nobody in particular."""

# Budgets that lead to cheaper models that have budgets, and so on.
_CHEAPER_MAX: Final = 8


class Spending:
    """Admits calls and books them. Belongs to one event loop.

    Args:
        table: what is counted, by all processes that share it.
        plan: what the settings say at the moment.
        clock: the time.
        metrics: counts.
        say: tells what the operator should know.

    Attributes:
        purse: the budgets, and the books.
        refuses_unpriced: whether calls without a price are refused, where a budget applies.
    """

    def __init__(
        self,
        table: TallyTable,
        plan: Callable[[], Plan],
        clock: Clock,
        metrics: Metrics,
        say: Say,
    ) -> None:
        self.purse = Purse(table, clock.wall_s)
        self.refuses_unpriced = False
        self._plan = plan
        self._metrics = metrics
        self._say = say
        self._outlooks = Outlooks()
        self._leases = LeaseWait(clock, lambda: table.lent_until_s)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings; what was spent still counts.

        Raises:
            SettingsInvalid: there is no room for a budget.
        """
        spend = settings.spend
        zone = zone_of(spend.time_zone)
        models = frozenset(targets_of(settings))
        self.purse.adopt(terms_of(settings), zones_of(settings), zone, models)
        self.refuses_unpriced = spend.unpriced == "refuse"

    def aim(self, order: Order) -> None:
        """Turn to a cheaper model, where a budget is soft and names one.

        The caller is told so by `x-headrace-budget: soft`.

        Args:
            order: what is asked, not yet routed.
        """
        if not self.purse.budgets or order.purpose:  # what is stored is asked for as it was
            return
        asked = model = order.view.model
        for _ in range(_CHEAPER_MAX):
            cheaper = self._cheaper(order, model)
            if cheaper == model:
                break
            model = cheaper
        if model != asked:
            order.turn_to(model)
            order.remark("budget", "soft")
            self._metrics.budget_cheaper.increment()

    def admit(self, order: Order, resume: Resume) -> bool:
        """Hold what a call may cost.

        Args:
            order: is routed, and leads a call.
            resume: told that it may be tried again, where it has to wait for the store's word.

        Returns:
            whether it may go now.

        Raises:
            BudgetExceeded: a budget has no room for it.
            BudgetUnknown: whether one has room cannot be told.
            Forbidden: its price is not known, and such calls are refused.
        """
        payer = self._payer(order)
        if self._is_background(order) and self.purse.strictest(payer)[0] is not State.OK:
            raise _background()
        has_output = order.call.grammar.operation is not Operation.EMBEDDINGS
        body, draft = order.body, order.draft
        if draft is not None:  # what is really sent
            body = order.drafted(draft, order.way, order.model)
        size = size_of(body, order.view.choices, has_output=has_output)
        booked_as = f"{order.way.endpoint.name}/{order.model}"
        taken = self.purse.reserve(payer, booked_as, self._most_usd(order, payer, size))
        if isinstance(taken, Shortage):
            if taken.is_awaited and self._leases.take(order, resume):
                return False
            raise self._refused(taken)
        order.charge = Charge(taken, size, self._outlooks, self._metrics.spend_beyond_usd)
        return True

    def joins(self, order: Order, flight: Flight) -> bool:
        """Whether an order may join a call that is not admitted yet: of another payer it may not,
        for whom there may be no room."""
        if flight.order.charge is not None or not self.purse.budgets:
            return True
        return self.purse.of(self._payer(order)) == self.purse.of(self._payer(flight.order))

    @contextmanager
    def errand(
        self, lane: Lane, model: str, body: bytes, *, has_output: bool, tenant: str = ""
    ) -> Iterator[Callable[[float, Usage | None], None]]:
        """Hold what a call of the cache's own may cost, until it has ended.

        Args:
            lane: the way to whom is asked.
            model: as it is called there.
            body: the request's JSON.
            has_output: whether tokens are produced; not so for embeddings.
            tenant: whom it is for, if it is for one.

        Yields:
            Is told what it did cost, in US dollars, and what it used.

        Raises:
            BudgetExceeded: a budget has no room for it.
        """
        name = lane.endpoint.name
        size = size_of(body, 1, has_output=has_output)
        booked_as = f"{name}/{model}"
        names = frozenset((model, booked_as))
        payer = Payer(CACHE, tenant, names) if tenant else Payer("", CACHE, names)
        price = self._plan().price(lane, model)
        taken = self.purse.reserve(
            payer,
            f"{name}/{model}",
            _most(price, self._outlooks.of(name, model).forecast(size), size),
        )
        if isinstance(taken, Shortage):
            raise self._refused(taken)

        def spent(cost_usd: float, usage: Usage | None) -> None:
            used = usage or Usage()
            taken.settle(cost_usd, used.input_tokens, used.output_tokens, booked_as)

        try:
            yield spent
        finally:
            taken.give_back()  # of what is settled, nothing is left to be given back

    # The inside.

    def _is_background(self, order: Order) -> bool:
        """Whether nobody waits for it."""
        flight = order.relay
        return bool(order.purpose) and not (isinstance(flight, Flight) and flight.followers)

    def _payer(self, order: Order) -> Payer:
        call, models = order.call, _names(order.view.model, order.targets, order.asked)
        return Payer(CACHE if order.purpose else call.key, call.tenant, models, order.intent)

    def _cheaper(self, order: Order, model: str) -> str:
        """The model that a soft budget would have in place of another, where it can be asked."""
        call = order.call
        plan = self._plan()
        targets = plan.directory.resolve(model, call.dialect.name)
        asked = order.asked if model == order.view.model else ""  # what it is moved on to is not
        payer = Payer(call.key, call.tenant, _names(model, targets, asked), order.intent)
        cheaper = self.purse.cheaper(payer)
        if not cheaper or cheaper in _names(model, targets[:1]):
            return model
        try:
            plan.directory.resolve(cheaper, call.dialect.name)
        except HeadraceError:  # it speaks another dialect, or a reload has taken it away
            return model
        return cheaper

    def _most_usd(self, order: Order, payer: Payer, size: Size) -> float:
        """The most that a call will probably cost, whichever of its targets is asked."""
        most_usd = 0.0
        for target in order.targets:
            price = self._plan().price(order.lane_of(target), target.model)
            if price is None:
                self._miss_price(f"{target.provider}/{target.model}", payer)
            forecast = self._outlooks.of(target.provider, target.model).forecast(size)
            most_usd = max(most_usd, _most(price, forecast, size))
        return most_usd

    def _miss_price(self, model: str, payer: Payer) -> None:
        if not self.purse.of(payer):
            return
        if self.refuses_unpriced:
            raise Forbidden(
                f"The price of '{model}' is not known, and what has a budget is not spent on such "
                "models here (models.NAME.price, spend.unpriced).",
                code="price_unknown",
            )
        self._say(
            "warning", "price_unknown", about=model, detail="its calls count nothing in budgets"
        )

    def _refused(self, shortage: Shortage) -> HeadraceError:
        terms, count = shortage.budget.terms, self._metrics.budget_refusals
        if shortage.is_unknown:
            self._metrics.budget_unknown.increment()
            return BudgetUnknown(
                f"What is left of budget '{terms.name}' cannot be told: it is shared through the "
                "store, which has not said yet how much of it may be spent here. Try again.",
                retry_after_s=shortage.reset_s,
            )
        count.add(count.at(shortage.period.word))
        held = ""
        if shortage.reserved_usd:
            held = f", {_spelt(shortage.reserved_usd)} is held for calls under way"
        until = "No new day or month makes room for it."
        if shortage.is_held:
            until = "Other gateways hold the rest, and may give some of it back: try again."
        elif shortage.reset_s is not None:
            until = f"The next {shortage.period.word} begins in {ceil(shortage.reset_s)} s."
        return BudgetExceeded(
            f"Budget '{terms.name}' is {_spelt(shortage.limit_usd)} a "
            f"{shortage.period.word}: {_spelt(shortage.spent_usd)} is spent{held}, and this "
            f"request may cost {_spelt(shortage.needed_usd)}. {until}",
            status=terms.status,
            retry_after_s=shortage.reset_s,
        )


def targets_of(settings: Settings) -> Iterable[str]:
    """What the settings name as `PROVIDER/MODEL` to be asked, each once."""
    models = settings.models.values()
    return dict.fromkeys(target.target for model in models for target in model.targets)


def _names(model: str, targets: Iterable[Target], asked: str = "") -> frozenset[str]:
    """What budgets may call the model of a call: all that it may go to, for who will answer is
    settled after it is admitted."""
    names = {model, asked} - {""}
    for target in targets:
        names.update((target.model, f"{target.provider}/{target.model}"))
    return frozenset(names)


def _most(price: Price | None, forecast: Forecast, size: Size) -> float:
    """What a call costs at most, in US dollars, whatever the provider keeps of its prompt."""
    if price is None:
        return 0.0
    tokens, output = ceil(forecast.input_tokens), ceil(forecast.output_tokens)
    kept = Usage(tokens, output, cache_write_tokens=tokens)
    kept_long = Usage(tokens, output, cache_write_1h_tokens=tokens if size.keeps_long else 0)
    return max(map(price.cost_usd, (Usage(tokens, output), kept, kept_long)))


def _spelt(usd: float) -> str:
    """An amount as people read it: cents, and more digits where it is less."""
    if usd >= 1 or usd == 0:
        return f"${usd:.2f}"
    return f"${usd:.9f}".rstrip("0")


def _background() -> BudgetExceeded:
    return BudgetExceeded(
        "A budget is nearly used up, so nothing is asked in the background.",
        status=429,
        retry_after_s=None,
    )
