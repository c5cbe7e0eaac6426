"""Requests that nobody's connection waits for: what rooms ask in the name of a caller."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headrace.cache.entry import Answer
from headrace.dialects.base import Dialect, Operation
from headrace.errors import HeadraceError
from headrace.flow.scheduler import Priority
from headrace.gateway.call import Hints, Stopwatch, make_call
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
        dialect = self._dialects[_DIALECTS.get(operation, "openai")]
        hints = Hints(priority=priority, deadline_s=deadline_s)
        forwarded = dialect.default_headers
        call = make_call(
            dialect,
            operation,
            who.tenant,
            hints,
            forwarded,
            key=who.key_name,
            models=who.models,
        )
        waiter, began_s = Waiter(), self._now_s()
        order = Order(call, body, waiter, Stopwatch(self._now_s, began_s), asker_books=True)
        answer, how = None, _GIVEN_UP
        try:
            self._pipeline.handle_all([order])
            if order.error is not None:
                raise order.error
            answer = await waiter.outcome()
            how = answer.status, ""
        except HeadraceError as error:
            how = error.status, error.code
            raise
        finally:
            if (ledger := self._pipeline.landing.ledger) is not None:
                status, code = how
                end = Ending(ledger.new_id(), b"", began_s, 0.0, status, False, code)
                ledger.asked(call, waiter.source, answer, end)
        assert waiter.source is not None  # noqa: S101  # an answer has a source
        return Asked(answer, waiter.source)
