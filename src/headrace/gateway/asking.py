"""Requests that nobody's connection waits for: what rooms ask in the name of a caller."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headrace.cache.entry import Answer
from headrace.cache.key import decode_document
from headrace.cache.rules import request_cacheable
from headrace.dialects.base import Dialect, Operation
from headrace.errors import HeadraceError
from headrace.flow.scheduler import Priority
from headrace.gateway.call import Call, Hints, Stopwatch, make_call
from headrace.gateway.handing import Destination, HandedOrder, Taker
from headrace.gateway.ledger.ledger import Ending
from headrace.gateway.order import Order
from headrace.gateway.pipeline import Pipeline
from headrace.gateway.plan import Plan
from headrace.gateway.reader import Source
from headrace.gateway.traced import Asking, tell_asking
from headrace.gateway.waiter import Waiter
from headrace.identity.keys import Principal
from headrace.model import DialectName
from headrace.observe.telemetry.traces import Links, Tracer
from headrace.routing.directory import Target

_DIALECTS: Mapping[Operation, DialectName] = {Operation.MESSAGES: "anthropic"}


# Who asked waits no longer; nginx's number for it.
_GIVEN_UP: Final = (499, "client_gone")

# Heads of requests that are known; a caller who asks for many has one.
_CALLS_MAX: Final = 256


class Asked(msgspec.Struct, frozen=True):
    """An answer, and where it came from.

    Attributes:
        source: who answered; its `is_free` says that no provider was asked for this one.
    """

    answer: Answer
    source: Source


class Asker:
    """Puts requests through the pipeline, the way of every caller's: what is stored is given, what
    is under way is joined, limits of providers, budgets and retries count. Belongs to one loop.

    Args:
        pipeline: who answers.
        dialects: the grammars, by name.
        now_s: the time, monotonic seconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        dialects: Mapping[DialectName, Dialect],
        now_s: Callable[[], float],
    ) -> None:
        self._pipeline = pipeline
        self._dialects = dialects
        self._now_s = now_s
        self._arrived: dict[Order, Waiter] = {}
        self._calls: dict[tuple[Principal, Operation, Hints], Call] = {}

    def error_body(self, operation: Operation, error: HeadraceError) -> bytes:
        """An error as a caller of the operation would read it."""
        return self._dialects[_DIALECTS.get(operation, "openai")].error_body(error, "")

    async def ask(
        self,
        who: Principal,
        operation: Operation,
        body: bytes,
        *,
        priority: Priority = Priority.BATCH,
        deadline_s: float | None = None,
        links: Links = (),
    ) -> Asked:
        """One answer; who is cancelled while waiting gives the call up.

        Args:
            who: in whose name: tenant and key decide what is shared, and what budgets apply.
            operation: what is asked of a provider.
            body: the request, as a client would send it.
            priority: whose turn comes first, where calls have to wait.
            deadline_s: how long it may take, in seconds.
            links: what its span belongs to, where it is traced.

        Raises:
            HeadraceError: there is none. What a provider answers is an answer, whatever its status.
        """
        call = self._call(who, operation, Hints(priority=priority, deadline_s=deadline_s))
        waiter, watch = Waiter(), Stopwatch(self._now_s, self._now_s())
        if (tracer := self.tracer) is not None:
            watch.trace = tracer.begin(())
        return await self._asked(Order(call, body, waiter, watch, asker_books=True), waiter, links)

    async def hand(
        self,
        who: Principal,
        operation: Operation,
        body: bytes,
        taker: Taker,
        number: int,
        *,
        to: Destination,
        looks_up: bool,
    ) -> Asked:
        """The same, of a request that `taker` sends on, where it goes to whom that collects for.

        It joins no call under way, and nobody joins it: it may take a day.

        Args:
            who: in whose name.
            operation: what is asked of a provider.
            body: the request, as a client would send it.
            taker: who sends it on.
            number: what the taker tells it by.
            to: whom the taker collects for.
            looks_up: whether a stored answer will do.

        Raises:
            HeadraceError: there is no answer.
        """
        hints = Hints(priority=Priority.BATCH, joins=False, looks_up=looks_up)
        call = self._call(who, operation, hints)
        waiter, watch = Waiter(), Stopwatch(self._now_s, self._now_s())
        order = HandedOrder(
            call, body, waiter, watch, asker_books=True, taker=taker, number=number, to=to
        )
        return await self._asked(order, waiter)

    @property
    def tracer(self) -> Tracer | None:
        """Traces what is asked, where that is wanted."""
        return self._pipeline.landing.tracer

    @property
    def plan(self) -> Plan:
        """What the settings say at the moment."""
        return self._pipeline.plan

    def target(self, operation: Operation, model: str) -> Target:
        """Who is asked first for a model, before anything changes that.

        Raises:
            HeadraceError: nobody is.
        """
        dialect = self._dialects[_DIALECTS.get(operation, "openai")]
        return self.plan.directory.resolve(model, dialect.name)[0]

    def is_cacheable(self, operation: Operation, body: bytes) -> bool:
        """Whether the answer to a request may be stored, as far as the request tells.

        Raises:
            HeadraceError: it cannot be understood.
        """
        dialect, plan = self._dialects[_DIALECTS.get(operation, "openai")], self.plan
        view = dialect.read_request(operation, decode_document(body))
        return plan.cache_enabled and request_cacheable(view, plan.temperature_max)

    # The inside.

    async def _asked(self, order: Order, waiter: Waiter, links: Links = ()) -> Asked:
        call, began_s = order.call, order.watch.began_s
        answer, how = None, _GIVEN_UP
        try:
            self._gather(order, waiter)
            answer = await waiter.outcome()
            how = answer.status, ""
        except HeadraceError as error:
            how = error.status, error.code
            raise
        finally:
            self._arrived.pop(order, None)
            if (ledger := self._pipeline.landing.ledger) is not None:
                status, code = how
                end = Ending(ledger.new_id(), b"", began_s, 0.0, status, False, code, [])
                ledger.asked(call, waiter.source, answer, end)
            tell_asking(Asking(call, order.watch, waiter.source, answer, *how), links)
        assert waiter.source is not None  # noqa: S101  # an answer has a source
        return Asked(answer, waiter.source)

    def _gather(self, order: Order, waiter: Waiter) -> None:
        """Let what is asked in this turn of the loop go through the pipeline together."""
        self._arrived[order] = waiter
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._handle_arrived)

    def _handle_arrived(self) -> None:
        arrived, self._arrived = self._arrived, {}
        self._pipeline.handle_all(list(arrived))
        for order, waiter in arrived.items():
            if order.error is not None:
                waiter.fail(order.error)

    def _call(self, who: Principal, operation: Operation, hints: Hints) -> Call:
        asked = who, operation, hints
        call = self._calls.get(asked)
        if call is None:
            dialect = self._dialects[_DIALECTS.get(operation, "openai")]
            call = make_call(
                dialect,
                operation,
                who.tenant,
                hints,
                dialect.default_headers,
                key=who.key_name,
                models=who.models,
            )
            if len(self._calls) >= _CALLS_MAX:
                del self._calls[next(iter(self._calls))]
            self._calls[asked] = call
        return call
