"""What becomes of calls that end: answers are booked and, where they may be, stored."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from headrace.cache.entry import Answer
from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.flow.singleflight import SingleFlight
from headrace.gateway.flight import Flight
from headrace.gateway.headers import is_second_best
from headrace.gateway.ledger.ledger import Ledger
from headrace.gateway.order import Order
from headrace.gateway.plan import Plan
from headrace.gateway.reader import Fallback
from headrace.gateway.stock.answers import Answers
from headrace.gateway.stock.consolation import Consolation
from headrace.gateway.stock.meanings import Meanings
from headrace.gateway.stock.seeker import Seeker
from headrace.gateway.tasks import attempt
from headrace.model import Price, Usage
from headrace.observe.metrics import Metrics
from headrace.observe.telemetry.gen_ai import GenAiMetrics
from headrace.observe.telemetry.traces import Tracer

_HEDGE: Final = "hedge"

if TYPE_CHECKING:
    from headrace.gateway.token_counts import TokenCounts


class Landing:
    """Where flights end. Belongs to one event loop. Implements `Tower`.

    Args:
        plan: what the settings say.
        flights: those under way, by key.
        answers: what is stored.
        seeker: holds the leases.
        meanings: finds answers to questions that mean the same, where that is wanted.
        metrics: counts.
        clock: tells the time.
        on_bug: told of an exception that no one expected.

    Attributes:
        plan: see above; replaced on reload.
        counts: counts tokens, where anything asks for it; replaced on reload.
        ledger: has a row for each call, where that is wanted.
        tracer: traces what is asked without a request of a caller, where that is wanted.
        gen_ai: counts calls by OpenTelemetry's conventions, where that is wanted.
        keeps_bodies: whether what was sent is looked at once a call has ended.
        now_s: gives monotonic seconds.
        on_bug: see above.
    """

    def __init__(
        self,
        plan: Plan,
        flights: SingleFlight[Flight],
        answers: Answers,
        seeker: Seeker,
        meanings: Meanings | None,
        metrics: Metrics,
        clock: Clock,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.plan = plan
        self.counts: TokenCounts | None = None
        self.ledger: Ledger | None = None
        self.tracer: Tracer | None = None
        self.gen_ai: GenAiMetrics | None = None
        self.keeps_bodies = False
        self._flights = flights
        self._answers = answers
        self._seeker = seeker
        self._meanings = meanings
        self._ended: list[Flight] = []
        self._metrics = metrics
        consolation = Consolation(answers, metrics, clock)
        self.has_better, self.console = consolation.has_better, consolation.console
        self.now_s = clock.monotonic_s
        self.on_bug = on_bug

    def sent(self, order: Order) -> None:
        """A call sets out: keep of its request what is asked of it when it has ended."""
        order.sent_bytes = len(order.body)
        if self.counts is not None or self.keeps_bodies:
            order.counted = order.body

    def price_of(self, order: Order) -> Price | None:
        return self.plan.price(order.way, order.model)

    def unreported_usd(self, flight: Flight) -> float | None:
        """What a call probably costs whose tokens nobody reports, where that is wanted."""
        if self.counts is None or flight.status != 200:
            return None
        order = flight.order
        price = self.price_of(order)
        usage = self.counts.estimate(flight) if price is not None else None
        if price is None or usage is None:
            return None
        order.remark("cost-estimated", "true")
        usd = price.cost_usd(usage)
        order.way.meter.estimated(usd)
        return usd

    def closed(self, flight: Flight) -> None:
        self._flights.land(flight.order.flight_key, flight)

    def landed(self, flight: Flight, error: HeadraceError | None = None) -> None:
        order = flight.order
        if self.gen_ai is not None and error is not None and flight.attempts:
            took_s, asked = self.now_s() - flight.began_s, order.call.grammar.operation.value
            told = (flight.status, error.code, took_s)
            self.gen_ai.failed(asked, order.way.endpoint.name, *told)
        self._flights.land(order.flight_key, flight)
        self._book(flight, None)
        if order.lease:
            self._seeker.give_back(order)

    def lost(self, order: Order, target: tuple[str, str], usage: Usage, usd: float) -> None:
        """Of two calls for the same, one was given up for the other."""
        if order.charge is not None:
            order.charge.lost("/".join(target), usage.input_tokens, usd)
        if self.ledger is not None:
            call = order.call
            who, operation = (call.tenant, call.key), call.grammar.operation
            self.ledger.errand(_HEDGE, who, operation, target, usage, usd, 0.0, is_estimated=True)

    def ended(self, flight: Flight) -> None:
        self._ended.append(flight)
        if len(self._ended) == 1:
            asyncio.get_running_loop().call_soon(self._settle_all)

    def _settle_all(self) -> None:
        """Conclude, relay and settle the calls that ended in this turn of the loop."""
        ended, self._ended = self._ended, []
        for step in (
            Flight.conclude,
            Flight.prepare,
            Flight.deliver,
            self._settle,
            Flight.dismiss,
        ):
            for flight in ended:
                attempt(step, flight, self.on_bug)

    def _settle(self, flight: Flight) -> None:
        """Nobody joins any more; the answer is booked and, where it may be, stored."""
        order, answer = flight.order, flight.delivered
        if answer is None or flight.is_consoled:
            return  # what readers were given cost nothing, and is known already
        self._flights.land(order.flight_key, flight)
        self._book(flight, answer)
        meter = order.way.meter
        meter.done(answer.status, answer.seconds)
        if self.gen_ai is not None:
            asked = order.call.grammar.operation.value
            told = (answer.status, answer.seconds, answer.usage)
            self.gen_ai.called(asked, order.way.endpoint.name, *told)
        if answer.usage:
            meter.spent(answer.usage, answer.cost_usd or 0.0)
            if self.counts is not None and not order.purpose:
                self.counts.learn(order, answer.usage)
            if answer.usage.has_cached:
                self._book_prompt_cache(order, answer.usage)
        order.book(None if flight.fallback is Fallback.PASSED else answer)
        if answer.status == 200:
            for _ in range(flight.followers):
                self._answers.count_saved("joined", answer, 0.0)
        # After a reload the same body may mean another answer, or none that is stored.
        stores = order.cacheable and order.call.hints.stores and order.plan is self.plan
        is_best = not is_second_best(answer.headers)
        is_stored = is_best and stores and self._answers.store(flight, answer)
        if is_stored and self._meanings is not None:
            self._meanings.enter(order)
        if order.purpose:
            self._answers.asked_again(order, answer, is_stored=is_stored)
        is_judged = order.trial is not None and is_best and answer.status == 200
        if is_judged and self._meanings is not None:
            self._meanings.judge(order, answer)
        if order.lease:
            self._seeker.hand_over(order)

    def _book(self, flight: Flight, answer: Answer | None) -> None:
        """Settle what was held for a call, and write down what it cost."""
        order = flight.order
        if order.charge is not None:
            charge, order.charge = order.charge, None
            if answer is None:
                charge.ended(flight)
            else:
                charge.answered(flight, answer)
        if self.ledger is not None:
            self.ledger.landed(flight)

    def _book_prompt_cache(self, order: Order, usage: Usage) -> None:
        price = self.price_of(order)
        if price is not None:
            self._metrics.prompt_cached(*price.prompt_cache_usd(usage))
