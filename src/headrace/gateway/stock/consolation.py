"""What is given where no target of a model could answer: a stale answer, or else a text.

A stale answer comes first, as soon as the provider has failed (RFC 5861, stale-if-error). The text
of the settings (`models.NAME.fallback_text`) comes last, and only for what is the providers'
trouble or that of their queues: never for a fault of the caller's, never for a deadline that has
passed, not while the gateway goes down, not for what gives way to be refused, and not for calls of
priority `batch`, which are asked again later.
"""

from typing import Final

from headrace.cache.entry import Answer, Shape
from headrace.cache.shapes import EVENTS_TYPE, JSON_TYPE
from headrace.clock import Clock
from headrace.dialects.base import Operation
from headrace.errors import HeadraceError, Overloaded, UpstreamBroken
from headrace.flow.retry import Again, after_status
from headrace.flow.scheduler import Priority
from headrace.gateway.flight import Flight
from headrace.gateway.headers import TEXT_MARK
from headrace.gateway.order import Order
from headrace.gateway.reader import Fallback, Stale
from headrace.gateway.stock.answers import Answers
from headrace.model import CacheResult, Usage
from headrace.observe.metrics import Metrics
from headrace.observe.verdicts import SHED, TEMPLATED

_BROKEN: Final = 500
_ID_DIGITS: Final = 24
_NO_TEXT: Final = frozenset(("shutting_down", "upstream_shutdown", SHED))
_NOTHING: Final = Usage()


class Consolation:
    """Gives readers something better than an error. Belongs to one event loop.

    Args:
        answers: count stale answers.
        metrics: counts texts.
        clock: the time.
    """

    def __init__(self, answers: Answers, metrics: Metrics, clock: Clock) -> None:
        self._answers = answers
        self._texts = metrics.fallback_texts
        self._clock = clock

    def has_better(self, flight: Flight) -> bool:
        """Whether there is something to give in place of a provider's error."""
        if flight.order.stale is not None and flight.status >= _BROKEN:
            return True
        return after_status(flight.status) is not Again.NEVER and _text(flight) is not None

    def console(self, flight: Flight, error: HeadraceError) -> bool:
        """End a flight well that would end with an error; says whether there was a way."""
        now_s, stale = self._clock.monotonic_s(), flight.order.stale
        if stale is not None:
            flight.failed(error)
            flight.stale = Stale.ERROR
            self._answers.count_stale(Stale.ERROR.value)
            flight.give(stale, now_s - stale.stored_s, CacheResult.L1)
            return True
        text = _text(flight) if _is_consolable(error) else None
        if text is None:
            return False
        flight.failed(error)
        flight.fallback = Fallback.TEMPLATE if error.code == TEMPLATED else Fallback.TEXT
        self._texts.increment(flight.readers)
        flight.give(_worded(flight.order, text, int(self._clock.wall_s())))
        return True


def _is_consolable(error: HeadraceError) -> bool:
    return isinstance(error, UpstreamBroken | Overloaded) and error.code not in _NO_TEXT


def _text(flight: Flight) -> str | None:
    """What is said in place of an answer, where anybody is there to hear it."""
    order = flight.order
    if order.plan is None or order.call.grammar.operation is Operation.EMBEDDINGS:
        return None
    is_awaited = not order.purpose and order.call.hints.priority is not Priority.BATCH
    if not is_awaited and not flight.followers:
        return None
    return order.plan.fallback_texts.get(order.view.model)


def _worded(order: Order, text: str, now_s: int) -> Answer:
    """The text as an answer in the dialect and the shape that is wanted."""
    dialect, shape = order.call.dialect, order.shape
    reply_id = order.key.hex()[:_ID_DIGITS]
    body = dialect.write_reply(text, model=order.view.model, reply_id=reply_id, created_s=now_s)
    if shape is not Shape.WHOLE:
        include_usage = shape is Shape.EVENTS_WITH_USAGE
        operation = order.call.grammar.operation
        body = dialect.disassemble(operation, body, include_usage=include_usage)
    return Answer(
        200,
        ((b"content-type", JSON_TYPE if shape is Shape.WHOLE else EVENTS_TYPE), TEXT_MARK),
        body,
        shape,
        order.way.endpoint.name,
        order.model,
        _NOTHING,
        0.0,
    )
