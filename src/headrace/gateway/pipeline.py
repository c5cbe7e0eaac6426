"""The one place where the order of the stages is written.

    authenticate -> validate (template) -> route (aim, template) -> look up -> join -> seek
        -> react -> shape -> admit -> prepare -> send -> relay -> settle

`repeat` is the fast path: a body that was seen before is answered by its digest, before any JSON
is parsed and without a task. `handle` is the whole way. Looking up is done in memory; seeking, in
the tiers below and by meaning, takes time, once for all who wait. The `Call` says who asks.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from headrace.cache.entry import Shape
from headrace.cache.key import canonical_key, decode_document, repeat_key
from headrace.cache.rules import request_cacheable
from headrace.clock import Clock
from headrace.errors import HeadraceError
from headrace.flow.singleflight import SingleFlight
from headrace.gateway.call import Call, Stopwatch
from headrace.gateway.calls.continuation import Continuer
from headrace.gateway.calls.reactions import Reactions
from headrace.gateway.flight import Flight, Sender
from headrace.gateway.landing import Landing
from headrace.gateway.order import (
    Order,
    asked_elsewhere,
    counted_document,
    find_choice,
    not_cached,
    read_view,
    shape_of,
)
from headrace.gateway.plan import Plan
from headrace.gateway.reader import Nobody, Reader, Stale
from headrace.gateway.shaping.shaping import Shaping
from headrace.gateway.spend.spending import Spending
from headrace.gateway.stock.answers import Answers, Held
from headrace.gateway.stock.meanings import Meanings
from headrace.gateway.stock.seeker import Seeker, Sought
from headrace.gateway.tasks import Spawn, attempt
from headrace.gateway.templating.expansion import Templating
from headrace.model import CacheResult
from headrace.observe.metrics import Metrics

Stage = Callable[[Order], bool]


class Pipeline:
    """Takes requests through the stages. Belongs to one event loop.

    Args:
        plan: what the settings say; replaced as a whole by `adopt`.
        answers: what is stored.
        clock: tells the time.
        metrics: counts.
        spawn: starts the task of a request that has to wait for more than its provider.
        sender: asks the providers; may be replaced.
        on_bug: told of an exception that no one expected; whoever waits is told by a 500.
        meanings: finds answers to questions that mean the same, where that is wanted.

    Attributes:
        spending: admits calls within budgets and books them, where that is wanted; may be replaced.
        reactions: have calls give way for service levels, where that is wanted; may be replaced.
        templating: puts in what templates stand for, where there are any; may be replaced.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        answers: Answers,
        clock: Clock,
        metrics: Metrics,
        spawn: Spawn,
        sender: Sender,
        on_bug: Callable[[BaseException], None],
        meanings: Meanings | None,
    ) -> None:
        self._plan = plan
        self.templating: Templating | None = None
        self._answers = answers
        self._meanings = meanings
        self._seeker = Seeker(answers, meanings, spawn)
        self._metrics = metrics
        self._spawn = spawn
        self.sender = sender
        self.shaping: Shaping | None = None
        self.spending: Spending | None = None
        self.reactions: Reactions | None = None
        self.repeat = answers.repeat
        self._flights: SingleFlight[Flight] = SingleFlight()
        self.landing = Landing(
            plan, self._flights, answers, self._seeker, meanings, metrics, clock, on_bug
        )
        self._due: list[tuple[Order, Reader]] = []
        self._continuer = Continuer(lambda: self.sender, metrics)
        self.now_s = clock.monotonic_s
        self.on_bug = on_bug

    @property
    def plan(self) -> Plan:
        """What the settings say at the moment."""
        return self._plan

    def adopt(self, plan: Plan) -> None:
        """Go by other settings from the next request on."""
        self._plan = self.landing.plan = plan
        self._answers.memory.forget_repeats()

    def handle(self, call: Call, body: bytes, reader: Reader, watch: Stopwatch) -> None:
        """The whole way of one request whose body is not known, timed by `watch`.

        Raises:
            HeadraceError: the request is wrong, or cannot be served.
        """
        order = Order(call, body, reader, watch)
        self.handle_all([order])
        if order.error is not None:
            raise order.error

    def handle_all(self, orders: list[Order]) -> None:
        """The whole way of requests that came together, stage by stage.

        Each stage takes every request before the next begins: the code of one stage stays in the
        processor's caches, which makes a miss cheaper by a quarter or so (Larus and Parkes, "Using
        Cohort Scheduling to Enhance Server Performance", USENIX 2002). What went wrong with a
        request is in its `error`.
        """
        for stage in self._way():
            under_way = []
            for order in orders:
                goes_on = attempt(stage, order, self.on_bug)
                if isinstance(goes_on, HeadraceError):
                    order.stop(goes_on)
                elif goes_on:
                    under_way.append(order)
            orders = under_way
        if self._due:
            self._refresh_due()

    def ask_again(self, call: Call, body: bytes, purpose: str, reader: Reader) -> None:
        """Ask a provider for what is stored, in the background, and book it as `purpose`."""
        order = Order(call, body, reader, Stopwatch(self.now_s, self.now_s()), purpose=purpose)
        for stage in (self._validate, self._route):
            outcome = attempt(stage, order, self.on_bug)
            if isinstance(outcome, HeadraceError):
                reader.fail(outcome)
                return
        del order.reader
        self._due.append((order, reader))
        self._refresh_due()

    def _way(self) -> Iterator[Stage]:
        """The stages, one after the other, but for those that nothing is configured for."""
        yield self._validate
        yield self._route
        yield self._look_up
        yield self._join
        if self._seeker.may_seek:
            yield self._seek
        yield from self._way_out()

    def _way_out(self, *, is_shaped: bool = False) -> Iterator[Stage]:
        """The last of them: how a call sets out that nothing was found for."""
        if self.reactions is not None and not is_shaped:
            yield self.reactions.react
        if self.shaping is not None and not is_shaped:
            yield self._shape
        if self.spending is not None:
            yield self._admit
        yield self._prepare
        yield self._send

    def _validate(self, order: Order) -> bool:
        order.document = decode_document(order.body)
        if self.templating is not None:
            self.templating.expand(order)
        read_view(order)
        order.watch.passed("validate")
        return True

    def _route(self, order: Order) -> bool:
        plan = self._plan
        if plan.aim is not None or self.spending is not None:
            self._aim(order, plan)
        call, view = order.call, order.view
        order.targets = plan.directory.resolve(view.model, call.dialect.name)
        target = order.targets[0]
        order.plan, order.model = plan, target.model
        order.lane = lane = plan.lanes[target.provider]
        uncounted = call.grammar.uncounted
        if plan.ignored:
            uncounted |= plan.ignored
        scope = call.scope + lane.scope
        order.key = key = canonical_key(scope, counted_document(order), uncounted, target.model)
        order.shape = shape = shape_of(view)
        order.flight_key = key + _SHAPE_SUFFIX[shape]
        if not order.digest:
            order.digest = repeat_key(call.repeat_scope, order.body)
        order.cacheable = plan.cache_enabled and request_cacheable(view, plan.temperature_max)
        order.looks_up = order.cacheable and call.hints.looks_up
        if self._meanings is not None and order.cacheable:
            order.question = self._meanings.question(order, uncounted)
        if plan.choices:
            find_choice(order, plan.choices)
        order.document = {}
        order.watch.passed("route")
        return True

    def _aim(self, order: Order, plan: Plan) -> None:
        """Turn to the model to ask, where that is not simply the one that was named."""
        if plan.aim is not None:
            order.take_aim(plan.aim)
            if self.templating is not None:
                self.templating.put_into(order)
        if self.spending is not None:
            self.spending.aim(order)
        order.watch.passed("aim")

    def _look_up(self, order: Order) -> bool:
        held = self._answers.find(order) if order.looks_up else None
        order.watch.passed("look_up")
        if held is not None:
            if held.is_given:
                self._give(order, held)
                return False
            order.stale = held.answer
        if order.call.hints.cached_only and not self._seeker.seeks(order):
            raise not_cached()
        return True

    def _give(self, order: Order, held: Held) -> None:
        answer = held.answer
        stale = Stale.REVALIDATING if held.is_stale else None
        who = answer.provider, answer.model
        order.reader.placed(order.source(CacheResult.L1, *who, None, stale))
        order.reader.answer(answer, self.now_s() - answer.stored_s)
        order.reader.done()
        if not order.purpose:
            self._answers.count_saved("l1", answer, answer.seconds)
        self._enter(order)
        if stale is not None:
            self._answers.count_stale(stale.value)
        if held.due:
            del order.reader
            order.purpose = held.due
            self._due.append((order, Nobody()))

    def _join(self, order: Order) -> bool:
        """Join the call under way for the same, or lead one; only leaders go on."""
        hints = order.call.hints
        joins = order.looks_up and hints.joins and not hints.cached_only
        flight = self._flights.find(order.flight_key) if joins else None
        if flight is not None and not (flight.suits(hints) and self._shares(order, flight)):
            flight, joins = None, False
        if flight is not None:
            flight.followers += 1
            self._metrics.flights_joined.increment()
            cache = CacheResult.JOINED
        else:
            make = self._continuer.flight if self._plan.continued else Flight
            flight = order.relay = make(order, self.landing)
            order.purge_seq = self._answers.purge_seq
            cache = CacheResult.MISS if order.looks_up else CacheResult.BYPASS
            if joins:
                self._flights.start(order.flight_key, flight)
        source = order.source(cache, *order.target, flight)
        order.remarks = ()  # what is said from now on is said of the call
        order.reader.placed(source)
        flight.join(order.reader)
        del order.reader  # a cycle by way of the flight would be left to the garbage collector
        order.watch.passed("join")
        return order.relay is not None

    def _shares(self, order: Order, flight: Flight) -> bool:
        return self.spending is None or self.spending.joins(order, flight)

    def _seek(self, order: Order) -> bool:
        """Let requests go on to their provider only when nothing is found elsewhere."""
        if not self._seeker.seeks(order):
            return True
        assert isinstance(order.relay, Flight)  # noqa: S101  # only leaders come this far
        seeking = self._spawn(self._seek_elsewhere(order, order.relay))
        seeking.add_done_callback(lambda task: self._sought(order, task))
        return False

    async def _seek_elsewhere(self, order: Order, flight: Flight) -> None:
        sought = await self._seeker.seek(order, flight)
        if flight.is_over:  # nobody waits any more
            order.relay = None
            self._seeker.give_back(order)
        elif sought is None:
            self._go_on(order)
        else:
            self._end_with(order, flight, sought)

    def _sought(self, order: Order, task: asyncio.Task[None]) -> None:
        """Whoever waits is told where a bug ended the seeking."""
        if not task.cancelled() and task.exception() is not None:
            order.stop(HeadraceError("The gateway failed; its log says how."))

    def _enter(self, order: Order) -> None:
        if self._meanings is not None:
            self._meanings.enter(order)

    def _end_with(self, order: Order, flight: Flight, sought: Sought) -> None:
        """Answer everybody who waits with what was found elsewhere."""
        held, where, similarity = sought
        answer, order.relay = held.answer, None
        self.landing.landed(flight)
        for _ in range(flight.followers + (not order.purpose)):
            self._answers.count_saved(where.value, answer, answer.seconds)
        flight.similarity = similarity
        flight.stale = Stale.REVALIDATING if held.is_stale else None
        flight.give(answer, self.now_s() - answer.stored_s, where)
        if where is not CacheResult.SEMANTIC:
            self._enter(order)
        if held.is_stale:
            self._answers.count_stale(Stale.REVALIDATING.value)
        if held.due:
            order.purpose = held.due
            self._due.append((order, Nobody()))
            self._refresh_due()

    def _go_on(self, order: Order) -> None:
        """Send what nothing was found for."""
        if order.call.hints.cached_only:
            order.stop(not_cached())
        else:
            self._take_through(order, self._way_out())

    def _take_through(self, order: Order, stages: Iterable[Stage]) -> None:
        """Take one request on, from where it was held up."""
        for stage in stages:
            outcome = attempt(stage, order, self.on_bug)
            if isinstance(outcome, HeadraceError):
                order.stop(outcome)
            if outcome is not True:
                return

    def _refresh_due(self) -> None:
        """Ask again, in the background, for what was given although its time is over."""
        due, self._due = self._due, []
        for order, reader in due:
            if self._flights.find(order.flight_key) is not None:
                reader.fail(asked_elsewhere())
            else:
                order.watch, order.remarks = Stopwatch(self.now_s, self.now_s()), ()  # told
                flight = order.relay = Flight(order, self.landing)
                order.purge_seq = self._answers.purge_seq
                self._flights.start(order.flight_key, flight)
                flight.join(reader)
                if self._answers.turns is None:
                    self._go_on(order)
                else:
                    self._spawn(self._refresh_in_turn(order, flight))

    async def _refresh_in_turn(self, order: Order, flight: Flight) -> None:
        if await self._seeker.take_turn(order) or flight.followers:
            self._go_on(order)
        else:
            order.stop(asked_elsewhere())

    def _shape(self, order: Order) -> bool:
        """Make what is sent smaller and cheaper; what takes long is done elsewhere."""
        return self.shaping is None or self.shaping.shape(order, self._held_up)

    def _held_up(self, order: Order, error: HeadraceError | None) -> None:
        flight = order.relay
        assert isinstance(flight, Flight)  # noqa: S101  # only leaders come this far
        if flight.is_over:  # nobody waits any more
            order.relay = None
            self._seeker.give_back(order)
        elif error is not None:
            order.stop(error)
        else:
            self._take_through(order, self._way_out(is_shaped=True))

    def _admit(self, order: Order) -> bool:
        """Let a call set out only where there is money for it."""
        return self.spending is None or self.spending.admit(order, self._held_up)

    def _prepare(self, order: Order) -> bool:
        self.sender.prepare(order)
        order.watch.passed("prepare")
        return True

    def _send(self, order: Order) -> bool:
        self.landing.sent(order)
        flight = order.relay
        assert isinstance(flight, Flight)  # noqa: S101  # only leaders come this far
        self.sender.send(order, flight)
        order.relay = None
        return False


_SHAPE_SUFFIX = tuple(bytes((shape,)) for shape in Shape)
