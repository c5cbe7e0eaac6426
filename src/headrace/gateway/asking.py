"""Requests that nobody's connection waits for: what rooms ask in the name of a caller."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headrace.cache.entry import Answer
from headrace.dialects.base import Dialect, Operation
from headrace.errors import HeadraceError
from headrace.flow.scheduler import Priority
from headrace.gateway.call import Call, Hints, Stopwatch, make_call
from headrace.gateway.ledger.ledger import Ending
from headrace.gateway.order import Order
from headrace.gateway.pipeline import Pipeline
from headrace.gateway.reader import Source
from headrace.gateway.waiter import Waiter
from headrace.identity.keys import Principal
from headrace.model import DialectName

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
    ) -> Asked:
        """One answer; who is cancelled while waiting gives the call up.

        Args:
            who: in whose name: tenant and key decide what is shared, and what budgets apply.
            operation: what is asked of a provider.
            body: the request, as a client would send it.
            priority: whose turn comes first, where calls have to wait.
            deadline_s: how long it may take, in seconds.

        Raises:
            HeadraceError: there is none. What a provider answers is an answer, whatever its status.
        """
        call = self._call(who, operation, Hints(priority=priority, deadline_s=deadline_s))
        waiter, began_s = Waiter(), self._now_s()
        order = Order(call, body, waiter, Stopwatch(self._now_s, began_s), asker_books=True)
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
                end = Ending(ledger.new_id(), b"", began_s, 0.0, status, False, code)
                ledger.asked(call, waiter.source, answer, end)
        assert waiter.source is not None  # noqa: S101  # an answer has a source
        return Asked(answer, waiter.source)

    # The inside.

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
